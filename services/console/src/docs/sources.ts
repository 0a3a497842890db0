/** The documents that the console shows, and where each of them is: the path of a file says the path of its page. */
import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** The working copy, or the folder of the image that has the same layout. */
const ROOT = fileURLToPath(new URL('../../../..', import.meta.url));
const PATTERNS = ['*.md', 'docs/**/*.md', 'docs/**/*.json', 'services/*/README.md', 'packages/*/README.md'];

export interface Source {
  /** From the root, with slashes. */
  readonly file: string;
  readonly text: string;
}

/** What is there of it: an image has the documents of its own service and those of `docs`. */
export async function readSources(root = ROOT): Promise<readonly Source[]> {
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
