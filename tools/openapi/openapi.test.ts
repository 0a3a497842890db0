import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { descriptions } from './descriptions.ts';
import { type Description, differences, openApi } from './document.ts';
import { edges, routesOf } from './routes.ts';

suite('the OpenAPI documents', () => {
  for (const edge of edges) {
    test(`of ${edge} have every route that the edge serves, and no other`, async () => {
      const description = descriptions[edge];
      assert.ok(description);
      const routes = await routesOf(edge);
      assert.ok(routes.length > 20, 'the edge said nothing of its routes');
      assert.deepEqual(differences(routes, description), []);
    });

    test(`of ${edge} is what is in docs/openapi (else run node tools/openapi.ts)`, () => {
      const description = descriptions[edge];
      assert.ok(description);
      const written = JSON.parse(readFileSync(join(import.meta.dirname, `../../docs/openapi/${edge}.json`), 'utf8'));
      assert.deepEqual(written, JSON.parse(JSON.stringify(openApi(description))));
    });
  }

  test('miss nothing: a route without words and words without a route are found', () => {
    const { hiro } = descriptions;
    assert.ok(hiro);
    const description: Description = {
      ...hiro,
      operations: { 'GET /a/{id}': { summary: 'Reads.' } },
      documented: (method, path) => [`${method} ${path}`],
    };
    assert.deepEqual(differences([{ method: 'GET', url: '/a/:id' }], description), []);
    assert.deepEqual(differences([{ method: 'PUT', url: '/a/:id' }], description), [
      'PUT /a/{id} is served and not described',
      'GET /a/{id} is described and not served',
    ]);
  });
});
