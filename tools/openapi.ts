/**
 * Writes the OpenAPI document of each edge with a REST part: docs/openapi. Run it after changing a route, or its description in
 * tools/openapi.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { descriptions } from './openapi/descriptions.ts';
import { differences, openApi } from './openapi/document.ts';
import { routesOf } from './openapi/routes.ts';

const folder = join(import.meta.dirname, '../docs/openapi');
mkdirSync(folder, { recursive: true });
for (const [edge, description] of Object.entries(descriptions)) {
  for (const problem of differences(await routesOf(edge), description)) {
    console.error(`${edge}: ${problem}`);
    process.exitCode = 1;
  }
  writeFileSync(join(folder, `${edge}.json`), `${JSON.stringify(openApi(description), undefined, 2)}\n`);
  console.log(`wrote docs/openapi/${edge}.json`);
}
