/**
 * Installs one npm package in its own process, without credentials: resolves and unpacks it with its dependencies, and bundles them to one
 * script for isolates. Code of the package runs only inside isolates; install scripts are ignored.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundle } from './bundle.ts';
import { PackageRefused, type PackageRequest, unpack } from './unpack.ts';

process.on('message', (asked: PackageRequest) => void work(asked));

async function work(asked: PackageRequest): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'saga-package-'));
  try {
    const { name, manifest } = await unpack(asked, folder);
    const code = await bundle(name, folder, asked.maxBundleBytes);
    process.send?.({ ok: true, name, manifest, code });
  } catch (error) {
    const problem = error instanceof PackageRefused ? error.message : `it could not be installed: ${sentenceOf(error)}`;
    process.send?.({ ok: false, problem });
  } finally {
    rmSync(folder, { recursive: true, force: true });
    process.disconnect();
  }
}

const sentenceOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 300) ?? '';
