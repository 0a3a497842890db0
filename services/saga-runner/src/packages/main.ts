/**
 * Installs one npm package in its own process, without credentials: resolves and unpacks it with its dependencies, and bundles them to one
 * script for isolates. Code of the package runs only inside isolates; install scripts are ignored.
 */
import { bundle } from './bundle.ts';
import { PackageRefused, type PackageRequest, unpack } from './unpack.ts';

process.on('message', async (asked: PackageRequest & { readonly folder: string }) => {
  // Not before the whole answer is written: the rest of one that the pipe cannot hold would be lost.
  process.send?.(await work(asked, asked.folder), () => process.disconnect());
});

async function work(asked: PackageRequest, folder: string): Promise<object> {
  try {
    const { name, manifest } = await unpack(asked, folder);
    return { ok: true, name, manifest, code: await bundle(name, folder, asked.maxBundleBytes) };
  } catch (error) {
    return { ok: false, problem: error instanceof PackageRefused ? error.message : `it could not be installed: ${sentenceOf(error)}` };
  }
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 300) ?? '';
