// `npm run build` here: dist/index.js, one minified ES module for browsers and Node, and the declarations beside it.
import { spawnSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';

const folder = import.meta.dirname;
const dist = join(folder, 'dist');
rmSync(dist, { recursive: true, force: true });
await build({
  entryPoints: [join(folder, 'src/index.ts')],
  outfile: join(dist, 'index.js'),
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  platform: 'neutral',
  target: 'es2022',
});
const typescript = dirname(createRequire(import.meta.url).resolve('typescript/package.json'));
const { status } = spawnSync(process.execPath, [join(typescript, 'bin/tsc'), '--project', join(folder, 'tsconfig.build.json')], {
  stdio: 'inherit',
});
// TypeScript leaves the names of sources in declarations; not every tool finds `x.d.ts` by `x.ts`.
for (const name of globSync('*.d.ts', { cwd: dist })) {
  const file = join(dist, name);
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/(from '\.\/[a-z0-9-]+)\.ts'/g, "$1.js'"));
}
process.exitCode = status ?? 1;
