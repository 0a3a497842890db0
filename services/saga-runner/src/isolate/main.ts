/**
 * A process of isolates: it runs untrusted code and contains nothing else. The service starts it with an empty environment under Node's
 * permission model and communicates over IPC. On any inconsistency the process exits, which does not affect the service.
 */
import { readFileSync } from 'node:fs';
import ivm from 'isolated-vm';
import { Isolates } from './isolates.ts';
import type { Ending, FromProcess, ToProcess } from './messages.ts';
import { OneRun } from './one-run.ts';

/** Total memory, including isolates, above which the process exits. */
const MAX_BYTES = 1024 * 1024 * 1024;
const LOOK_MS = 20;

const sandbox = (name: string): { readonly code: string; readonly filename: string } => ({
  code: readFileSync(new URL(name, import.meta.url), 'utf8'),
  filename: name,
});
const snapshot = ivm.Isolate.createSnapshot(['sandbox.cjs', 'sandbox-api.cjs', 'sandbox-web.cjs', 'sandbox-http.cjs'].map(sandbox));
const isolates = new Isolates(snapshot, () => end('catastrophe'));
const bundles = new Map<string, string>();
const runs = new Map<number, OneRun>();

let telling: FromProcess[] = [];
/** Messages of one turn are sent as one. */
const tell = (message: FromProcess): void => {
  telling.push(message);
  if (telling.length === 1) setImmediate(send);
};
const send = (): void => {
  if (process.send === undefined || !process.connected) {
    // The service has disconnected.
    die();
    return;
  }
  process.send(telling);
  telling = [];
};
/** Not with `process.exit`, which waits for isolates, and some code cannot be interrupted (`indexOf` on a proxy of infinite length). */
const die = (): void => {
  process.kill(process.pid, 'SIGKILL');
};
const end = (why: Ending): void => {
  telling.push({ from: 'ending', why });
  send();
  die();
};

process.on('message', (messages: readonly ToProcess[]) => {
  for (const message of messages) take(message);
});

const take = (message: ToProcess): void => {
  switch (message.to) {
    case 'run': {
      const run = new OneRun(message, {
        isolates,
        send: tell,
        bundleOf: (hash) => bundles.get(hash),
        stuck: () => end('stuck'),
      });
      runs.set(message.run, run);
      void run.carryOut().finally(() => runs.delete(message.run));
      return;
    }
    case 'settle':
      runs.get(message.run)?.settle(message.call, message.good, message.json);
      return;
    case 'bundle':
      bundles.set(message.hash, message.code);
      return;
  }
};
process.on('disconnect', die);

setInterval(() => {
  for (const run of runs.values()) run.look();
  if (process.memoryUsage.rss() > MAX_BYTES) end('memory');
}, LOOK_MS);

tell({ from: 'ready' });
