/** Writes the settings of every service into docs/operations.md from their definitions. Run it after changing a setting. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withSettings } from './operations/settings-section.ts';

const file = join(import.meta.dirname, '../docs/operations.md');
writeFileSync(file, await withSettings(readFileSync(file, 'utf8')));
console.log('wrote docs/operations.md');
