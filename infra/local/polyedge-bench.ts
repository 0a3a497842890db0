/**
 * `polyedge bench`: measures how fast the running system accepts writes and delivers their events, as its clients see it. Writers create
 * vertices over HIRO's REST API, each one after the other; a socket receives the events. The vertices are deleted afterwards.
 */

export interface BenchOptions {
  /** Of hiro-edge. */
  readonly url: string;
  readonly token: string;
  readonly seconds: number;
  readonly writers: number;
  readonly signal: AbortSignal;
}

/** Times in milliseconds: the median and what 99 of 100 stay below. */
export interface Spread {
  readonly p50: number;
  readonly p99: number;
}

export interface BenchResult {
  readonly seconds: number;
  readonly writers: number;
  readonly writes: number;
  readonly writesPerSecond: number;
  /** From the request to its answer. */
  readonly answered: Spread;
  /** From the request to the event at a subscribed socket. */
  readonly heard: Spread;
  /** Events that did not arrive in time. */
  readonly missing: number;
}

const TYPE = 'polyedge/Bench';
/** Time limit for events after the last write. */
const EVENTS_MS = 10_000;
const LOOK_MS = 25;

export async function bench({ url, token, seconds, writers, signal }: BenchOptions): Promise<BenchResult> {
  const run = `bench-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 8)}`;
  const sentAt = new Map<string, number>();
  const answered: number[] = [];
  const heard: number[] = [];
  const ids: string[] = [];
  using watching = await watch(url, token, (name) => {
    const at = sentAt.get(name);
    if (at === undefined) return;
    sentAt.delete(name);
    heard.push(performance.now() - at);
  });
  await watching.live(async (name) => void ids.push(await create(url, token, name, signal)));
  const until = performance.now() + seconds * 1000;
  const began = performance.now();
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; performance.now() < until && !signal.aborted; count += 1) {
      const name = `${run}-${writer}-${count}`;
      const at = performance.now();
      sentAt.set(name, at);
      ids.push(await create(url, token, name, signal));
      answered.push(performance.now() - at);
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  const lasted = (performance.now() - began) / 1000;
  const latest = performance.now() + EVENTS_MS;
  while (sentAt.size > 0 && performance.now() < latest) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  await remove(url, token, ids, writers);
  return {
    seconds: round(lasted),
    writers,
    writes: answered.length,
    writesPerSecond: Math.round(answered.length / lasted),
    answered: spreadOf(answered),
    heard: spreadOf(heard),
    missing: sentAt.size,
  };
}

export const benchLines = (result: BenchResult): readonly string[] => [
  `${result.writes} writes by ${result.writers} writers in ${result.seconds} s: ${result.writesPerSecond}/s`,
  `answered after   p50 ${result.answered.p50} ms   p99 ${result.answered.p99} ms`,
  `delivered after  p50 ${result.heard.p50} ms   p99 ${result.heard.p99} ms`,
  ...(result.missing === 0 ? [] : [`${result.missing} events did not arrive within ${EVENTS_MS / 1000} s`]),
];

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((one, other) => one - other);
  const at = (share: number): number => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99) };
}

const round = (value: number): number => Math.round(value * 10) / 10;

async function create(url: string, token: string, name: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(new URL(`/api/graph/7.4/new/${encodeURIComponent(TYPE)}`, url), {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ 'ogit/name': name }),
    signal,
  });
  const made: unknown = await response.json();
  if (response.ok && typeof made === 'object' && made !== null && 'ogit/_id' in made) return String(made['ogit/_id']);
  throw new Error(`a write was refused (HTTP ${response.status}): ${JSON.stringify(made)}`);
}

/** Deletes the created vertices, also if the measurement was interrupted. */
async function remove(url: string, token: string, ids: readonly string[], atOnce: number): Promise<void> {
  const left = [...ids];
  const work = async (): Promise<void> => {
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      await fetch(new URL(`/api/graph/7.4/${encodeURIComponent(id)}`, url), {
        method: 'DELETE',
        headers: { authorization: `Bearer ${token}` },
      });
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
}

/** A socket that receives the event of every vertex of the measurement. */
async function watch(url: string, token: string, heard: (name: string) => void) {
  const socket = new WebSocket(new URL('/api/events-ws/6.2/', url.replace(/^http/, 'ws')), ['events-1.0.0', `token-${token}`]);
  await new Promise<void>((resolve, reject) => {
    socket.onopen = () => resolve();
    socket.onerror = () => reject(new Error('the events of HIRO cannot be watched'));
  });
  let isLive = false;
  socket.onmessage = ({ data }) => {
    const event = JSON.parse(String(data)) as { readonly type?: string; readonly body?: Readonly<Record<string, unknown>> };
    if (event.type !== 'CREATE') return;
    isLive = true;
    heard(String(event.body?.['ogit/name']));
  };
  const filter = { 'filter-id': 'bench', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${TYPE})` };
  socket.send(JSON.stringify({ type: 'register', args: filter }));
  return {
    /** A filter is not acknowledged, so vertices are created until an event arrives. */
    live: async (make: (name: string) => Promise<void>): Promise<void> => {
      const latest = performance.now() + EVENTS_MS;
      while (!isLive) {
        if (performance.now() > latest) throw new Error('no event arrived');
        await make('is it live?');
        for (let look = 0; look < 10 && !isLive; look += 1) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      }
    },
    [Symbol.dispose]: () => socket.close(),
  };
}
