import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import schema from '@asyncapi/specs/schemas/3.0.0.json' with { type: 'json' };
import { Ajv } from 'ajv';
import { protocolAsyncApi, protocols } from './documents.ts';

suite('the AsyncAPI documents of the protocols', () => {
  // The bundle brings its own copy of the draft-07 schema.
  const ajv = new Ajv({ meta: false, validateSchema: false, strict: false, validateFormats: false, logger: false });
  const validate = ajv.compile(schema);

  for (const [name, protocol] of Object.entries(protocols)) {
    test(`${name} is valid AsyncAPI 3, and what is in docs/asyncapi (else run node tools/asyncapi.ts)`, () => {
      const document = JSON.parse(JSON.stringify(protocolAsyncApi(protocol)));
      assert.ok(validate(document), JSON.stringify(validate.errors?.slice(0, 5)));
      assert.deepEqual(JSON.parse(readFileSync(join(import.meta.dirname, `../../../../docs/asyncapi/${name}.json`), 'utf8')), document);
    });
  }
});
