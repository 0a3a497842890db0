/** A group under all faults at once, checked by `model.ts`. Bounded and seeded: the seed determines the faults and their times. */
import { type ChildProcess, spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { startNats } from '@polyedge/testkit/servers/nats';
import { startRedis } from '@polyedge/testkit/servers/redis';
import { startService } from '@polyedge/testkit/servers/service';
import { sharedPostgres } from '@polyedge/testkit/servers/shared';
import postgres from 'postgres';
import { WebSocket } from 'ws';
import type { MemberOptions } from './member.ts';
import { type Delivery, type Incident, judge, type Verdict } from './model.ts';

const PASSWORD = 'torture-password';
const TYPE = 'ogit/Torture';
const KEYS = 40;

export interface TortureOptions {
  readonly seed: number;
  /** Rounds of all faults. */
  readonly rounds: number;
  /** The pause between two faults. */
  readonly pauseMs: number;
  readonly report: (line: string) => void;
}

export interface Torture {
  readonly verdict: Verdict;
  readonly acknowledged: number;
  readonly failedWrites: number;
  readonly events: readonly string[];
}

/** The faults of each round, in an order determined by the seed. */
const DEEDS = [
  'join',
  'leave',
  'kill member',
  'stop member',
  'kill edge',
  'wipe Redis',
  'kill Redis',
  'kill graph-store',
  'stop edge',
] as const;

export async function torture({ seed, rounds, pauseMs, report }: TortureOptions): Promise<Torture> {
  const random = mulberry(seed);
  await using parts = new AsyncDisposableStack();
  const [nats, redis, database] = await Promise.all([startNats(), startRedis(), sharedPostgres()]);
  for (const part of [nats, redis, database]) parts.use(part);
  const common = { NATS_URL: nats.url, REDIS_URL: redis.url, DATABASE_URL: database.url, LOG_LEVEL: 'warn' };
  const store = parts.use(await startService({ name: 'graph-store', env: { ...common, POLYEDGE_ADMIN_PASSWORD: PASSWORD } }));
  const hiro = { ...common, HIRO_CONFIRM_MS: '2000' };
  const [steady, frail] = await Promise.all([
    startService({ name: 'hiro-edge', env: hiro }),
    startService({ name: 'hiro-edge', env: hiro }),
  ]);
  parts.use(steady);
  parts.use(frail);
  const sql = postgres(database.url, { max: 1, onnotice: () => {} });
  parts.defer(() => sql.end({ timeout: 1 }));
  const login = await fetch(`${steady.url}/api/auth/6.6/app`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: 't', client_secret: '', username: 'admin', password: PASSWORD }),
  });
  const token = ((await login.json()) as { _TOKEN: string })._TOKEN;

  const events: string[] = [];
  const began = now();
  const lateness = monitorEventLoopDelay();
  lateness.enable();
  const note = (text: string): void => {
    const line = `${((now() - began) / 1000).toFixed(1)} s ${text}`;
    events.push(line);
    report(line);
  };
  const deliveries: Delivery[] = [];
  const incidents: Incident[] = [];
  const members: Member[] = [];
  parts.defer(() => {
    for (const member of members) member.process.kill('SIGKILL');
  });
  const addMember = (): void => {
    const number = members.length;
    const ports = number % 2 === 0 ? [steady.port, frail.port] : [frail.port, steady.port];
    members.push(startMember(`m${number}`, { ports, group: 'torture', type: TYPE, token }, deliveries));
  };
  for (let number = 0; number < 4; number += 1) addMember();
  const writer = new Writer(steady.port, token, random);
  parts.defer(() => writer.end());
  await writer.begin();
  const living = (): Member[] => members.filter(({ state }) => state === 'running');
  const any = (): Member | undefined => living()[Math.floor(random() * living().length)];
  const gone = (...which: readonly Member[]): void => {
    incidents.push({ kind: 'gone', at: now(), members: which.length === 0 ? undefined : new Set(which.map(({ name }) => name)) });
  };
  const forgot = (): void => {
    incidents.push({ kind: 'forgot', at: now() });
  };

  for (let round = 0; round < rounds; round += 1) {
    for (const deed of shuffled(DEEDS, random)) {
      await pause(pauseMs);
      note(deed);
      const member = any();
      switch (deed) {
        case 'join':
          addMember();
          break;
        case 'leave':
          if (member === undefined || living().length < 2) break;
          gone(member);
          member.state = 'left';
          member.process.stdin?.end();
          addMember();
          break;
        case 'kill member':
          if (member === undefined) break;
          gone(member);
          member.state = 'killed';
          member.process.kill('SIGKILL');
          addMember();
          break;
        case 'stop member':
          if (member === undefined) break;
          gone(member);
          member.state = 'stopped';
          member.process.kill('SIGSTOP');
          setTimeout(() => {
            gone(member);
            incidents.push({ kind: 'late', at: now(), member: member.name });
            member.process.kill('SIGCONT');
            member.state = 'running';
          }, 4000).unref();
          break;
        case 'kill edge':
          gone();
          await frail.kill();
          await frail.restart();
          break;
        case 'stop edge':
          gone();
          frail.pause();
          // Longer than its leases and its heartbeat.
          await pause(7000);
          frail.resume();
          break;
        case 'wipe Redis':
          forgot();
          await command(redis.port, 'FLUSHALL');
          break;
        case 'kill Redis':
          forgot();
          await redis.kill();
          await rm(join(redis.dir, 'appendonlydir'), { recursive: true, force: true });
          await redis.restart();
          forgot();
          break;
        case 'kill graph-store':
          // This excuses no duplicates: positions are in Redis.
          await store.kill();
          await store.restart();
          break;
      }
    }
  }
  await pause(pauseMs);
  note('stop writing');
  await writer.end();
  const truth = async (): Promise<{ seq: number; element: string }[]> => {
    const rows = await sql<{ seq: string; element: string }[]>`select seq, element from journal where type = ${TYPE} order by seq`;
    return rows.map(({ seq, element }) => ({ seq: Number(seq), element }));
  };
  const expected = await truth();
  const deadline = now() + 30_000;
  while (now() < deadline) {
    const seen = new Set(deliveries.map(({ seq }) => seq));
    if (expected.every(({ seq }) => seen.has(seq))) break;
    await pause(100);
  }
  note('all delivered, or time is up');
  // Repeated deliveries arrive soon after.
  await pause(500);
  lateness.disable();
  // Four processes of this machine take part in what is measured.
  const verdict = judge(expected, deliveries, incidents, (4 * lateness.max) / 1e6);
  for (const { seq, by, confirmedAt, again, againAt } of verdict.unexplained.slice(0, 20)) {
    const seconds = (at: number): string => `${((at - began) / 1000).toFixed(2)} s`;
    report(`seq ${seq} was confirmed by ${by} at ${seconds(confirmedAt)} and came again to ${again} at ${seconds(againAt)}`);
  }
  if (verdict.missing.length > 0) {
    // The state, for diagnosis.
    for (const edge of [steady, frail]) {
      const answer = await fetch(`${edge.url}/admin/groups`, { headers: { authorization: `Bearer ${token}` } });
      report(`${edge.port} ${await answer.text()}`);
    }
    report(
      `missing of ${JSON.stringify([...new Set(expected.filter(({ seq }) => verdict.missing.includes(seq)).map(({ element }) => element))])}`,
    );
    report([steady.log(), frail.log(), store.log()].join('\n'));
  }
  return { verdict, acknowledged: writer.acknowledged, failedWrites: writer.failed, events };
}

interface Member {
  readonly name: string;
  readonly process: ChildProcess;
  state: 'running' | 'stopped' | 'left' | 'killed';
}

function startMember(name: string, options: MemberOptions, deliveries: Delivery[]): Member {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'member.ts'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin?.on('error', () => {});
  let unanswered: Delivery[] = [];
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = parse(line);
      if (said?.e !== undefined) {
        const [seq, element, ns] = said.e;
        const delivery: Delivery = { seq, element, member: name, at: Number(BigInt(ns) / 1000n) / 1000, answeredAt: undefined };
        deliveries.push(delivery);
        unanswered.push(delivery);
      } else if (said?.p !== undefined) {
        const at = Number(BigInt(said.p) / 1000n) / 1000;
        for (const delivery of unanswered) delivery.answeredAt = at;
        unanswered = [];
      } else if (said?.c !== undefined) unanswered = [];
    });
  }
  return { name, process: child, state: 'running' };
}

/** A line of member.ts; the last one of a killed process may be truncated. */
function parse(line: string): { e?: [number, string, string]; p?: string; c?: number } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Writes bursts of updates over one graph-ws socket: a few hot vertices get most of them. */
class Writer {
  acknowledged = 0;
  failed = 0;
  readonly #ws: WebSocket;
  readonly #random: () => number;
  #count = 0;
  #underWay = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(port: number, token: string, random: () => number) {
    this.#ws = new WebSocket(`ws://127.0.0.1:${port}/api/graph-ws/6.1/`, ['graph-2.0.0', `token-${token}`], { perMessageDeflate: false });
    this.#random = random;
  }

  async begin(): Promise<void> {
    this.#ws.on('message', (data) => {
      const answer = JSON.parse(String(data)) as { error?: unknown };
      this.#underWay -= 1;
      if (answer.error === undefined) this.acknowledged += 1;
      else this.failed += 1;
    });
    this.#ws.on('close', () => {
      this.#running = false;
    });
    await new Promise((resolve, reject) => {
      this.#ws.once('open', resolve);
      this.#ws.once('error', reject);
    });
    for (let key = 0; key < KEYS; key += 1) this.#send('create', { 'ogit/_type': TYPE }, { 'ogit/_id': `torture-${key}` });
    this.#running = true;
    this.#loop = this.#write();
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#loop;
    const deadline = now() + 20_000;
    while (this.#underWay > 0 && now() < deadline && this.#ws.readyState === WebSocket.OPEN) await pause(20);
    this.#ws.terminate();
  }

  async #write(): Promise<void> {
    while (this.#running) {
      if (this.#underWay < 200) {
        const hot = Math.floor(this.#random() ** 3 * KEYS);
        const burst = 1 + Math.floor(this.#random() * 12);
        for (let one = 0; one < burst; one += 1) this.#send('update', { 'ogit/_id': `torture-${hot}` }, { '/n': String(this.#count) });
      }
      await pause(15);
    }
  }

  #send(type: string, headers: object, body: object): void {
    this.#count += 1;
    this.#underWay += 1;
    this.#ws.send(JSON.stringify({ id: String(this.#count), type, headers, body }));
  }
}

async function command(port: number, text: string): Promise<void> {
  const { connect } = await import('node:net');
  await new Promise<void>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(`${text}\r\n`));
    socket.once('data', () => socket.end());
    socket.once('close', () => resolve());
    socket.once('error', () => resolve());
  });
}

/** Milliseconds of the monotonic clock that all processes of the machine share. */
const now = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const left = [...items];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random() * left.length), 1));
  return order;
}

/** A small seeded generator of numbers from 0 to 1 (mulberry32). */
function mulberry(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
