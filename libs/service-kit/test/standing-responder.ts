/** A responder on a thread of its own that stands still on demand, as a process does whose machine is busy. */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { done } from '@polyedge/contracts/errors';
import { trialEcho } from '@polyedge/contracts/testing/trial-channels';
import { connectNatsBus } from '../src/nats-bus.ts';

const RUNNING = 0;
const STANDING = 1;

/** A responder of `trialEcho`. */
export type StandingResponder = AsyncDisposable & {
  /** Resolves when its event loop no longer turns. */
  standStill(): Promise<void>;
  goOn(): void;
  /** How many requests its handler was called for, once everything that was on its way has been read. */
  called(): Promise<number>;
};

/** Starts one that is connected to the server of `url` and answers requests. */
export async function startStandingResponder(url: string): Promise<StandingResponder> {
  const state = new Int32Array(new SharedArrayBuffer(4));
  const worker = new Worker(import.meta.filename, { workerData: { url, state } });
  await once(worker, 'message');
  return {
    async standStill() {
      worker.postMessage('stand still');
      while (Atomics.load(state, 0) !== STANDING) await new Promise((resolve) => setImmediate(resolve));
    },
    goOn() {
      Atomics.store(state, 0, RUNNING);
      Atomics.notify(state, 0);
    },
    async called() {
      worker.postMessage('called');
      const [called]: [number] = (await once(worker, 'message')) as [number];
      return called;
    },
    async [Symbol.asyncDispose]() {
      await worker.terminate();
    },
  };
}

async function answer(port: NonNullable<typeof parentPort>): Promise<void> {
  const { url, state }: { url: string; state: Int32Array<SharedArrayBuffer> } = workerData;
  const bus = await connectNatsBus({ url, service: 'answerer' });
  if (!bus.ok) throw new Error(bus.failure.detail);
  let called = 0;
  bus.value.respond(trialEcho, async ({ text }) => {
    called += 1;
    return done({ text, by: 'answerer' });
  });
  await bus.value.flush(5_000);
  port.on('message', async (message: 'stand still' | 'called') => {
    if (message === 'stand still') {
      Atomics.store(state, 0, STANDING);
      Atomics.wait(state, 0, STANDING);
      return;
    }
    await bus.value.flush(5_000);
    port.postMessage(called);
  });
  port.postMessage('ready');
}

if (!isMainThread && parentPort !== null) await answer(parentPort);
