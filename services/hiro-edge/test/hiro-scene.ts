/** A running hiro-edge with a token of the administrator. Importing it starts and ends the system. */
import { after, before } from 'node:test';
import { type System, startSystem } from './system.ts';

export let system: System;
export let token: string;

/** Hooks of a file run side by side: another one that needs the system awaits this. */
export const started = start();
before(() => started);
after(() => system[Symbol.asyncDispose]());

async function start(): Promise<void> {
  system = await startSystem();
  token = await system.token();
}
