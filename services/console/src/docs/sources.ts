/** The documents that the console shows, and their locations: the path of a file determines the path of its page. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The working copy, or the folder of an image with the same layout. */
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const PATTERNS = ['*.md', 'docs/**/*.md', 'docs/**/*.json', 'services/*/README.md', 'packages/*/README.md'];

export interface DocSource {
  /** From the root, with slashes. */
  readonly file: string;
  readonly text: string;
}

/** Reads the available documents: an image has those of its own service and those of `docs`. */
export async function readSources(root = ROOT): Promise<readonly DocSource[]> {
  const files = PATTERNS.flatMap((pattern) => globSync(pattern, { cwd: root })).sort();
  return Promise.all(files.map(async (file) => ({ file, text: await readFile(`${root}/${file}`, 'utf8') })));
}

/** `docs/protocols/README.md` is at `/docs/protocols`, `README.md` at `/docs`. */
export function pathOf(file: string): string {
  const inner = file
    .replace(/^docs\//, '')
    .replace(/\.(md|json)$/, '')
    .replace(/(^|\/)README$/, '');
  return `/docs${inner === '' ? '' : `/${inner.replace(/\/$/, '')}`}`;
}
