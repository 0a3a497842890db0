// Fails if a source file contains a forbidden text (forbidden.ts).
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { findForbidden } from './forbidden.ts';

const root = resolve(import.meta.dirname, '../..');
const files = globSync('{libs,services,packages,infra,tools,test,bench}/**/*.{ts,mts,mjs,cjs}', {
  cwd: root,
  exclude: (name) => /(^|\/)(node_modules|dist|forbidden-text)(\/|$)/.test(name),
});
const found = files.flatMap((path) => findForbidden(path, readFileSync(join(root, path), 'utf8')));
for (const line of found) console.error(line);
if (found.length > 0) process.exit(1);
console.log(`${files.length} files without a forbidden text.`);
