/** A running space-edge for the tests of its REST API. Importing it starts and ends the system. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before } from 'node:test';
import { type Answered, asAdmin, Rest, type System, startSystem } from './system.ts';

export let system: System;
export let url: string;
before(async () => {
  system = await startSystem();
  url = system.space.url;
});
after(() => system[Symbol.asyncDispose]());

export function refused({ status, body }: Answered, expected: number, error: RegExp): void {
  assert.equal(status, expected, JSON.stringify(body));
  assert.match(String(body.error), error);
}

export const hex = (bytes: number): string => randomBytes(bytes).toString('hex');

/** A new user, with the calls of his key. */
export async function newUser(role = 'USER'): Promise<{ readonly username: string; readonly rest: Rest; readonly key: string }> {
  const { rest: admin } = await asAdmin(url);
  const username = `user-${hex(4)}`;
  const made = await admin.post('/users', { username, password: 'secret-1', role });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(Object.keys(made.body).sort(), ['apiKey', 'id', 'role', 'username']);
  return { username, rest: new Rest(url, String(made.body.apiKey)), key: String(made.body.apiKey) };
}
