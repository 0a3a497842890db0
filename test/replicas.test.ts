/** Two replicas of each edge, one stopped and started under load, the other edges unaffected. */
import assert from 'node:assert/strict';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { test } from 'node:test';
import { until } from '@polyedge/testkit/until';
import { type Edge, type System, startReplicas } from './replicas/system.ts';
import type { Watcher } from './rolling/watchers.ts';

/** The longest delay allowed to a client, beyond the interval of the load. */
const GAP_MS = 1000;

/** An acknowledged change: it was in transit between the two times. */
interface Sent {
  readonly at: number;
  readonly takenAt: number;
}

/** One replica was stopped and started; the times are those of this process. */
interface Restart {
  readonly edge: Edge;
  readonly from: number;
  readonly upTo: number;
  /** How long this process itself stood still, which is not counted. */
  readonly stoodStillMs: number;
}

test('each edge in turn: of two replicas one is stopped and started under load; its clients miss nothing that their protocol promises, those of the other edges notice nothing', async (t) => {
  const problems: string[] = [];
  await using system = await startReplicas(problems);
  const { edges } = system;
  const sent = await listening(system);
  t.diagnostic(`eleven services and ${edges.flatMap(watchersOf).length} clients after ${Math.round(performance.now())} ms`);
  await using load = startLoad(edges, sent, problems);
  const restarts: Restart[] = [];

  for (const [index, edge] of edges.entries()) {
    const replica = edge.replicas[index % 2];
    assert.ok(replica);
    const others = edges.filter((other) => other !== edge).flatMap(watchersOf);
    const closingsBefore = others.map(({ closings }) => closings.length);
    const own = watchersOf(edge).filter(({ closings }) => closings.length === 0).length;
    const stalls = monitorEventLoopDelay({ resolution: 10 });
    stalls.enable();
    const from = performance.now();
    // Like a load balancer: taken out of the rotation first.
    edge.rotation.remove(replica.port);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const told = performance.now();
    await replica.stop();
    const tookMs = performance.now() - told;
    const away = watchersOf(edge).filter(({ closings }) => (closings.at(-1)?.at ?? 0) >= told);
    assert.ok(away.length > 0 && away.length < own + 1, `${away.length} clients of ${edge.name} were on the replica that ended`);
    await until(`${edge.name}: all clients hear again`, () =>
      away.every(({ closings, firstAt }) => [...firstAt.values()].some((at) => at > (closings.at(-1)?.at ?? 0))),
    );
    await replica.restart();
    edge.rotation.add(replica.port);
    const upTo = performance.now();
    stalls.disable();
    assert.deepEqual(
      others.map(({ closings }) => closings.length),
      closingsBefore,
      `clients of other edges were disconnected while a ${edge.name} was restarted`,
    );
    // Delays of this process itself are not counted.
    const stoodStillMs = stalls.max / 1e6;
    t.diagnostic(
      `${edge.name}: ${away.length} clients went over, the replica ended after ${Math.round(tookMs)} ms, and was back ${Math.round(upTo - told - tookMs)} ms later (this process stood still for ${Math.round(stoodStillMs)} ms)`,
    );
    restarts.push({ edge, from, upTo, stoodStillMs });
  }

  await load.stop();
  for (const edge of edges) {
    const changes = sent.get(edge.name) ?? new Map<number, Sent>();
    assert.ok(changes.size > 20, `${edge.name} had ${changes.size} changes`);
    for (const { kind, promised, watchers } of edge.audiences) {
      const owed = watchers.map((watcher) => [...changes].filter(([, span]) => promised === 'everything' || wasThere(watcher, span)));
      await until(`${edge.name}, ${kind}: what is promised has come`, () =>
        watchers.every(({ firstAt }, at) => owed[at]?.every(([n]) => firstAt.has(n))),
      );
      const missed = watchers.reduce(
        (sum, { firstAt }) => sum + changes.size - [...changes.keys()].filter((n) => firstAt.has(n)).length,
        0,
      );
      t.diagnostic(
        `${edge.name}, ${kind}: ${changes.size} changes, ${watchers.length} clients, ${missed} not heard (${promised} is promised)`,
      );
      for (const { errors } of watchers) assert.deepEqual(errors, [], `${edge.name}, ${kind}`);
    }
  }
  for (const { edge, from, upTo, stoodStillMs } of restarts) {
    const worst = Math.max(...edges.filter((other) => other !== edge).map((other) => worstGap(other, sent, from, upTo - GAP_MS)));
    t.diagnostic(`${edge.name}: clients of the others waited at most ${Math.round(worst)} ms`);
    assert.ok(worst <= GAP_MS + stoodStillMs, `clients of other edges waited ${Math.round(worst)} ms while a ${edge.name} was restarted`);
  }
  assert.deepEqual(problems, []);
  for (const service of system.services) assert.doesNotMatch(service.log(), /"level":(?:"error"|"fatal"|50|60)/, service.name);
});

const watchersOf = ({ audiences }: Edge): readonly Watcher[] => audiences.flatMap(({ watchers }) => watchers);

/** Waits until every client has received something, so that its watch is active. */
async function listening({ edges }: System): Promise<Map<string, Map<number, Sent>>> {
  const deaf = () => edges.filter((edge) => watchersOf(edge).some(({ ready }) => !ready));
  let n = 0;
  await until(
    'the clients of all edges hear something',
    async () => {
      n += 1;
      await Promise.all(deaf().map((edge) => edge.write(-n)));
      return deaf().length === 0;
    },
    { seen: () => deaf().map(({ name }) => name) },
  );
  return new Map(edges.map(({ name }) => [name, new Map()]));
}

/** Writes to every edge at its interval, and records the acknowledged changes. */
function startLoad(edges: readonly Edge[], sent: ReadonlyMap<string, Map<number, Sent>>, problems: string[]) {
  const underWay = new Set<Promise<void>>();
  const timers = edges.map((edge) => {
    let n = 0;
    return setInterval(() => {
      n += 1;
      const number = n;
      const at = performance.now();
      const writing = edge
        .write(number)
        .then((taken) => {
          if (taken) sent.get(edge.name)?.set(number, { at, takenAt: performance.now() });
        })
        .catch((error: unknown) => {
          problems.push(`${edge.name}: ${String(error)}`);
        })
        .finally(() => underWay.delete(writing));
      underWay.add(writing);
    }, edge.everyMs);
  });
  const stop = async (): Promise<void> => {
    for (const timer of timers) clearInterval(timer);
    await Promise.all(underWay);
  };
  return { stop, [Symbol.asyncDispose]: stop };
}

/** The longest delay of any change that was sent in this period, once all are heard. */
function worstGap(edge: Edge, sent: ReadonlyMap<string, ReadonlyMap<number, Sent>>, from: number, upTo: number): number {
  let worst = 0;
  for (const [n, { at }] of sent.get(edge.name) ?? []) {
    if (at < from || at > upTo) continue;
    for (const { firstAt } of watchersOf(edge)) worst = Math.max(worst, (firstAt.get(n) ?? Number.POSITIVE_INFINITY) - at);
  }
  return worst;
}

/** Whether a client was connected while a change was in transit: from sending it until a second after its acknowledgement. */
function wasThere({ closings, firstAt }: Watcher, { at, takenAt }: Sent): boolean {
  return closings.every((closing) => {
    const back = Math.min(...[...firstAt.values()].filter((heard) => heard > closing.at));
    return takenAt + GAP_MS < closing.at || at > back;
  });
}
