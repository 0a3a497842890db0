/** Bots and their properties, on the system of `saga-scene.ts`. */
import assert from 'node:assert/strict';
import type { Ack } from './client.ts';
import { boss } from './saga-scene.ts';

let count = 0;
export const fresh = (): string => {
  count += 1;
  return `p${count}`;
};

export async function makeBot(data: object = {}): Promise<string> {
  const made = await boss.api('POST', '/bots', { name: fresh(), ...data });
  assert.equal(made.status, 200);
  return made.body._id;
}

export type Post = (operator: string | undefined, payload: object) => Promise<Ack>;
export const poster =
  (parent: string): Post =>
  (operator, payload) =>
    boss.send(operator === undefined ? '/bots/properties' : `/bots/properties/${operator}`, { parent_id: parent, ...payload });
