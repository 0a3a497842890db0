/** The model of exactness with everything at once that makes it hard: large rows, sleepy clients, cuts, other rules, revoked accounts. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accountsUpdate } from '@polyedge/contracts/bus/accounts';
import { type Answer, Client, type Subscribed } from './client.ts';
import { agree, Chance, ORDERS, PRODUCTS, watch, write } from './exactness.ts';
import { type System, startSystem, TENANT } from './system.ts';

/** How often a run has seen what. */
export interface Seen {
  rounds: number;
  subscriptions: number;
  events: number;
  /** Subscriptions whose original matches were more than a session is sent at once. */
  'large snapshots': number;
  pauses: number;
  'made again under the same id': number;
  'window moves': number;
  unsubscribed: number;
  'rules read again': number;
  'NATS cut off': number;
  'roles withdrawn': number;
  /** Ended with `forbidden` or `error`. */
  ended: number;
}

const FILLERS = [0, 0, 100, 20_000, 60_000];
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Rounds in one system until the time is over. Fails on the first disagreement, and names its seed. */
export async function torment(options: {
  readonly seed: number;
  readonly untilMs: number;
  readonly report: (line: string) => void;
}): Promise<Seen> {
  await using parts = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'polyedge-topics-'));
  parts.defer(() => rm(folder, { recursive: true }));
  const topics = join(folder, 'topics.yaml');
  const rules = await readFile(new URL('../topics.example.yaml', import.meta.url), 'utf8');
  await writeFile(topics, rules);
  const system = parts.use(await startSystem({ edge: { GOODUNCLE_TOPICS: topics } }));
  const seen: Seen = {
    ...{ rounds: 0, subscriptions: 0, events: 0, 'large snapshots': 0, pauses: 0, 'made again under the same id': 0 },
    ...{ 'window moves': 0, unsubscribed: 0, 'rules read again': 0, 'NATS cut off': 0, 'roles withdrawn': 0, ended: 0 },
  };
  while (performance.now() < options.untilMs) {
    const seed = options.seed + seen.rounds;
    try {
      await round(system, new Chance(seed), seen, () => writeFile(topics, `${rules}# read again ${seed}\n`));
    } catch (error) {
      throw new Error(`round with seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
    seen.rounds += 1;
    options.report(`seed ${seed}: ${JSON.stringify(seen)}`);
  }
  return seen;
}

async function round(system: System, chance: Chance, seen: Seen, touchRules: () => Promise<void>): Promise<void> {
  using clients = new DisposableStack();
  const { url } = system.edge;
  const run = `hard${chance.seed}`;
  const subs = [system.sub.u1, system.sub.u2];
  const readers = await Promise.all([Client.open(url), Client.open(url, 'u1'), Client.open(url, 'u2'), Client.open(url, 'admin')]);
  const writers = await Promise.all([Client.open(url, 'admin'), Client.open(url, 'admin')]);
  for (const client of [...readers, ...writers]) clients.use(client);
  if (chance.below(2) === 0) await write(writers[0] as Client, chance.another(), run, 60, subs, { fillers: [30_000], ids: true });

  let writing = true;
  const hard = { fillers: FILLERS, ids: chance.below(2) === 0 };
  const work = Promise.all(writers.map((writer) => write(writer, chance.another(), run, 150, subs, hard))).finally(() => {
    writing = false;
  });
  const watched = [...(await watch(readers, [PRODUCTS, ORDERS], chance, run, 14))];
  // Everybody reads for a while and sleeps for a while.
  const sleeping = Promise.all(
    readers.map(async (client, at) => {
      const own = chance.another();
      while (writing && at !== 3) {
        await wait(own.below(300));
        client.ws.pause();
        seen.pauses += 1;
        await wait(200 + own.below(2500));
        client.ws.resume();
      }
    }),
  );
  await touchRules();
  seen['rules read again'] += 1;
  if (chance.below(3) === 0) {
    system.nats.pause();
    seen['NATS cut off'] += 1;
    await wait(chance.below(1200));
    system.nats.resume();
  }
  const withdrawn = chance.below(3) === 0;
  if (withdrawn) {
    seen['roles withdrawn'] += 1;
    const request = { id: system.sub.u2, roles: { gooduncle: ['customer'] }, by: 'test' };
    assert.ok((await system.bus.request(accountsUpdate, accountsUpdate.subject({ tenant: TENANT }), request, { timeoutMs: 30_000 })).ok);
  }
  const silent: { readonly live: Subscribed; readonly count: number }[] = [];
  for (let left = 3; left > 0; left -= 1) {
    const [one] = watched.splice(chance.below(watched.length), 1);
    if (one === undefined) break;
    const { response } = await one.client.one({ type: 'unsubscribe', subscription: subscriptionOf(one.live.answers) });
    assert.ok(response.code === 'ok' || (withdrawn && response.code === 'not found'), JSON.stringify(response));
    silent.push({ live: one.live, count: one.live.answers.length });
    seen.unsubscribed += 1;
  }
  // The admin, who does not sleep, subscribes while all this is under way.
  watched.push(...(await watch([readers[3] as Client], [{ ...PRODUCTS, public: true }], chance, `${run}`, 6, 'late')));
  await work;
  await sleeping;
  if (withdrawn) await readers[2]?.upgrade('u2');
  await agree(watched, run, withdrawn ? ['revoked'] : []);

  for (const { live, count } of silent) assert.equal(live.answers.length, count, 'nothing follows an unsubscribe');
  for (const { live, request } of watched) {
    const { answers } = live;
    seen.subscriptions += 1;
    seen.events += live.later.length;
    const original = answers.filter(({ response }) => response.event === 'original match');
    if (JSON.stringify(original).length > 256 * 1024) seen['large snapshots'] += 1;
    if (answers.at(-1)?.response.last === true) seen.ended += 1;
    const gone = new Set<string>();
    for (const { response } of live.later) {
      if (response.event === 'match deleted') gone.add(response.payload.id);
      if (response.event === 'match created' && gone.delete(response.payload.id)) seen['made again under the same id'] += 1;
      if (request.sort !== undefined && response.position?.from !== response.position?.to) seen['window moves'] += 1;
    }
  }
}

// What `watch` asked for.
const subscriptionOf = ([first]: readonly Answer[]): string => {
  assert.ok(first);
  return (first.request.payload as { readonly subscription: string }).subscription;
};
