/** A running gooduncle-edge with a client of an administrator. Importing it starts and ends the system. */
import { after, before } from 'node:test';
import { Client } from './client.ts';
import { type System, startSystem } from './system.ts';

/** Ended with the system, before it. */
export const parts = new AsyncDisposableStack();
export let system: System;
export let url: string;
export let admin: Client;

before(async () => {
  // What a reader that stands still gets is judged, not when it is given up.
  system = parts.use(await startSystem({ edge: { GOODUNCLE_STALLED_MS: '600s' } }));
  url = system.edge.url;
  admin = parts.use(await Client.open(url, 'admin'));
});
after(() => parts.disposeAsync());
