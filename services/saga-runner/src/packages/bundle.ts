/** Bundles a package and its dependencies to one script that sets `module.exports` in an isolate. */
import { build, type Message } from 'esbuild';
import { PackageRefused } from './unpack.ts';

/** Modules of Node that isolates provide. */
const GIVEN = ['buffer', 'crypto', 'url'].flatMap((name) => [name, `node:${name}`]);

export async function bundle(name: string, folder: string, maxBytes: number): Promise<string> {
  const built = await build({
    stdin: { contents: `module.exports = require(${JSON.stringify(name)});`, resolveDir: folder },
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'browser',
    mainFields: ['browser', 'main', 'module'],
    target: 'es2024',
    external: GIVEN,
    define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
    logLevel: 'silent',
    minifyWhitespace: true,
    legalComments: 'none',
  }).catch((error: { readonly errors?: readonly Message[] }) => {
    throw new PackageRefused(sentenceOf(error.errors?.[0]));
  });
  const [output] = built.outputFiles;
  if (output === undefined) throw new PackageRefused('nothing came out of it');
  if (output.contents.length > maxBytes) throw new PackageRefused(`its script is longer than ${maxBytes} bytes`);
  return output.text;
}

function sentenceOf(message: Message | undefined): string {
  const text = message?.text ?? 'it could not be made into one script';
  const missing = /^Could not resolve "([^"]+)"/.exec(text)?.[1];
  if (/No loader is configured for "\.node" files/.test(text)) return 'it needs a native addon, which isolates cannot load';
  if (missing === undefined) return text.slice(0, 300);
  const bare = missing.replace(/^node:/, '');
  return `it needs the module "${bare}", which isolates do not have`;
}
