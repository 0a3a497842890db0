/** Writes the AsyncAPI document of the bus, docs/asyncapi/bus.json. Run it after changing a channel. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncApi } from '@polyedge/contracts/asyncapi';
import { catalogue } from '@polyedge/contracts/catalogue';

const file = join(import.meta.dirname, '../docs/asyncapi/bus.json');
writeFileSync(file, `${JSON.stringify(asyncApi(catalogue), undefined, 2)}\n`);
console.log(`wrote ${file}`);
