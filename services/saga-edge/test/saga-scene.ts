/** A running saga-edge with a client of the administrator, `boss`. Importing it starts and ends the system. */
import { after, before } from 'node:test';
import { type Session, session } from './client.ts';
import { ADMIN, type System, startSystem } from './system.ts';

export let system: System;
export let url: string;
export let boss: Session;
/** Closed at the end. */
export const open: { close(): unknown }[] = [];

/** Hooks of a file run side by side: another one that needs the system awaits this. */
export const started = start();
before(() => started);
after(async () => {
  for (const one of open) await one.close();
  await system[Symbol.asyncDispose]();
});

async function start(): Promise<void> {
  system = await startSystem();
  url = system.saga.url;
  boss = await admin();
}

export async function admin(): Promise<Session> {
  const client = await session(url, ADMIN);
  open.push(client);
  return client;
}
