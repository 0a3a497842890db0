/** JSSocket's messages: they go from connection to connection and are not stored. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { System } from './system.ts';

/** One page notifies the group of another; resolves when it has arrived. */
export async function notify(system: System): Promise<void> {
  const group = randomUUID();
  const [from, to] = await Promise.all([system.pageOf('somebody'), system.pageOf(group)]);
  from.event('notify_group', { target: group, data: { type: 'ogit/Note', id: group, action: 'create', body: {} } });
  assert.deepEqual(await to.next(), { type: 'ogit/Note', id: group, action: 'create', body: {} });
}
