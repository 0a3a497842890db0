/** A group under all faults at once, checked by `model.ts`. Bounded and seeded: the seed determines the faults and their times. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startGround } from './ground.ts';
import { type Member, startMember } from './members.ts';
import { type Delivery, type Incident, judge, type Verdict } from './model.ts';
import { now, pause } from './time.ts';
import { ToAndFro } from './to-and-fro.ts';
import { Writer } from './writer.ts';

const TYPE = 'ogit/Torture';

export interface TortureOptions {
  readonly seed: number;
  /** Rounds of all faults. */
  readonly rounds: number;
  /** The pause between two faults. */
  readonly pauseMs: number;
  /** Whether the group's organization moves to another journal and back all the time. */
  readonly moves?: boolean;
  readonly report: (line: string) => void;
}

export interface Torture {
  readonly verdict: Verdict;
  readonly acknowledged: number;
  readonly failedWrites: number;
  /** How often the organization was moved. */
  readonly moves: number;
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
/** Those of a round with moves; the first two meet a mover wherever it is. */
const DEEDS_OF_MOVES = ['kill mover', 'kill mover again', ...DEEDS] as const;

export async function torture({ seed, rounds, pauseMs, moves = false, report }: TortureOptions): Promise<Torture> {
  const random = mulberry(seed);
  await using parts = new AsyncDisposableStack();
  const ground = parts.use(await startGround(moves));
  const { redis, store, steady, frail, token } = ground;
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
  const writer = new Writer(steady.port, token, TYPE, random);
  parts.defer(() => writer.end());
  await writer.begin();
  const living = (): Member[] => members.filter(({ state }) => state === 'running');
  const any = (): Member | undefined => living()[Math.floor(random() * living().length)];
  const gone = (...which: readonly Member[]): void => {
    incidents.push({ kind: 'gone', at: now(), members: which.length === 0 ? undefined : new Set(which.map(({ name }) => name)) });
  };
  const late = (since: number, ...which: readonly Member[]): void => {
    for (const { name } of which) incidents.push({ kind: 'late', at: now(), since, member: name });
  };
  const forgot = (): void => {
    incidents.push({ kind: 'forgot', at: now() });
  };

  const toAndFro = moves
    ? new ToAndFro({
        journals: ground.journals,
        redisUrl: redis.url,
        pauseMs: pauseMs * 2,
        // Over there, and back.
        atLeast: 2,
        decided: (to, when) => {
          incidents.push({ kind: 'moved', ...when });
          note(`moved to ${to}, decided before ${((when.before - began) / 1000).toFixed(1)} s`);
        },
      })
    : undefined;
  parts.defer(async () => await toAndFro?.stop().catch(() => {}));

  for (let round = 0; round < rounds; round += 1) {
    for (const deed of shuffled<(typeof DEEDS_OF_MOVES)[number]>(moves ? DEEDS_OF_MOVES : DEEDS, random)) {
      await pause(pauseMs);
      note(deed);
      const member = any();
      const stoppedAt = now();
      switch (deed) {
        case 'kill mover':
        case 'kill mover again':
          // This excuses nothing: the journal says when what it has decided was decided.
          toAndFro?.kill();
          break;
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
            late(stoppedAt, member);
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
          // Each may be one of its members.
          late(stoppedAt, ...living());
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
          // This excuses no duplicates: positions are in Redis, from where a move takes them as well.
          await store.kill();
          await store.restart();
          break;
      }
    }
  }
  await pause(pauseMs);
  note('stop writing');
  await writer.end();
  await toAndFro?.stop();
  const expected = (await ground.truth(TYPE)).map(({ n, ...rest }) => ({ seq: n, ...rest }));
  const newest = new Map<string, number>();
  for (const { seq, element } of expected) {
    if (seq <= (newest.get(element) ?? 0)) throw new Error(`write ${seq} of ${element} took effect after a later one`);
    newest.set(element, seq);
  }
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
  const verdict = judge(expected, deliveries, incidents, await ground.takeovers(), (4 * lateness.max) / 1e6);
  for (const { seq, by, confirmedAt, again, againAt, taken } of verdict.unexplained.slice(0, 20)) {
    const seconds = (at: number): string => `${((at - began) / 1000).toFixed(2)} s`;
    report(`write ${seq} was confirmed by ${by} at ${seconds(confirmedAt)} and came again to ${again} at ${seconds(againAt)}`);
    const given = deliveries.filter((delivery) => delivery.seq === seq);
    report(
      `  given ${given.map(({ member, at, answeredAt = 0 }) => `${member} ${seconds(at)} confirmed ${seconds(answeredAt)}`).join(', ')}`,
    );
    const near = taken.filter((at) => at >= confirmedAt - 10_000 && at <= againAt);
    report(`  taken over ${near.map(seconds).join(', ')}`);
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
  return { verdict, acknowledged: writer.acknowledged, failedWrites: writer.failed, moves: toAndFro?.moves ?? 0, events };
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
