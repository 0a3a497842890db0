/** Two replicas of graph-store that sweep every second. Importing it starts and ends them. */
import { after, before } from 'node:test';
import { type RunningStore, startStore } from './running-store.ts';

export let store: RunningStore;
before(async () => {
  store = await startStore(2, { GRAPH_STORE_SWEEP_MS: '1000' });
});
after(() => store[Symbol.asyncDispose]());
