/** A running saga-edge with a client of the administrator, `boss`. Importing it starts and ends the system. */
import { after, before } from 'node:test';
import { type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

export let system: System;
export let url: string;
export let boss: Session;
/** Closed at the end. */
export const open: { close(): unknown }[] = [];

before(async () => {
  system = await startSystem();
  url = system.saga.url;
  boss = await admin();
});
after(async () => {
  for (const one of open) await one.close();
  await system[Symbol.asyncDispose]();
});

export async function admin(): Promise<Session> {
  const client = await session(url, ADMIN);
  open.push(client);
  return client;
}
