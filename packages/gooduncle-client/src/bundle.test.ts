import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

test('a page loads at most 8 KB for all of it, without any dependency', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'index.ts')],
    ...{ bundle: true, minify: true, format: 'esm', platform: 'neutral', target: 'es2022', write: false, metafile: true },
  });
  const bytes = gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length;
  assert.ok(bytes <= 8192, `${bytes} bytes`);
  for (const file of Object.keys(metafile.inputs)) assert.match(file, /gooduncle-client\/src\/[a-z0-9-]+\.ts$/);
});
