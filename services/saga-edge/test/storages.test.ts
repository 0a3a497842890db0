/** The list of storages, whose entries are more than one request reads. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { graphMutate } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import { storageEntryId, TYPES } from '@polyedge/saga/elements';
import { bus } from './rooms-scene.ts';
import { boss } from './saga-scene.ts';

const defaultScope = (): string =>
  JSON.parse(Buffer.from(boss.token.split('.')[1] ?? '', 'base64url').toString('utf8')).data['default-scope'];

test('saga:39 all storages are listed, whatever the number of their entries', async () => {
  const PART = 500;
  for (let at = 0; at < 10_001; at += PART) {
    const keys = Array.from({ length: PART }, (_, n) => String(at + n));
    const operations = keys.map((key) => ({
      ...({ op: 'create', type: TYPES.storageEntry, id: storageEntryId('large', key) } as const),
      attributes: { storage: 'large', key, value: 1 },
    }));
    const origin = { protocol: 'saga', way: 'rest', operation: 'storage' } as const;
    const request = { by: 'test', app: 'test', origin, operations, operationId: operationId(Date.now(), randomBytes(10)) };
    const subject = graphMutate.subject({ tenant: 'default' });
    const written = await bus.request(graphMutate, subject, { defaultScope: defaultScope(), requests: [request] }, { timeoutMs: 60_000 });
    assert.ok(written.ok && written.value.outcomes[0]?.ok, JSON.stringify(written).slice(0, 500));
  }
  for (const name of ['alpha', 'zeta', 'large-2', 'Upper']) await boss.api('PUT', `/storages/${name}/key`, { value: 1 });
  assert.deepEqual(
    (await boss.api('GET', '/storages')).body,
    ['Upper', 'alpha', 'large', 'large-2', 'zeta'].map((name) => ({ name })),
  );
});
