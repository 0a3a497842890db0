/** Hostile clients against all five edges, with a good client of each protocol next to them. */
import { startSystem } from '../interplay/system.ts';
import { randomFrom } from '../kill/random.ts';
import { Attacks } from './attacks.ts';
import { goodClients } from './good-clients.ts';

export interface HostileOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly report: (line: string) => void;
}

/** The number of concurrent hostile clients. */
const ATTACKERS = 4;
/** The longest wait allowed to a good client while the machine is busy with attacks. */
const LONGEST_MS = 10_000;
const MEDIAN_MS = 1000;
/** Nine of ten logins must not take longer than this, or than this multiple of a bare hash at the same time on a busy machine. */
const LOGIN_MS = 2000;
const LOGIN_TIMES = 5;
/** The limit for bodies without a token, plus the interval at which time-outs are checked. */
const TRICKLE_MS = 75_000;

/** Runs until time is up. @returns the problems found */
export async function hostile({ seconds, seed, report }: HostileOptions): Promise<readonly string[]> {
  const problems: string[] = [];
  let over = false;
  await using system = await startSystem((reason) => {
    if (!over) problems.push(`a process ended: ${reason}`);
  });
  const attacks = new Attacks(system);
  const endsAt = performance.now() + seconds * 1000;
  const until = (): boolean => performance.now() > endsAt || problems.length > 0;
  const attacker = async (number: number): Promise<void> => {
    const random = randomFrom(seed * ATTACKERS + number);
    while (!until()) await attacks.one(random);
  };
  const attackers = Array.from({ length: ATTACKERS }, (_, number) => attacker(number));
  const experiences = await goodClients(system, until);
  await Promise.all(attackers);
  const partOf = (tookMs: readonly number[], part: number): number => {
    const sorted = tookMs.toSorted((left, right) => left - right);
    return Math.round(sorted[Math.floor(sorted.length * part)] ?? 0);
  };
  const hashMs = partOf(experiences.at(-1)?.tookMs ?? [], 0.9);
  for (const { name, tookMs, failures } of experiences) {
    const at = (part: number): number => partOf(tookMs, part);
    const longest = Math.round(Math.max(0, ...tookMs));
    report(
      `${name}: ${tookMs.length} answers, median ${at(0.5)} ms, nine of ten ${at(0.9)} ms, longest ${longest} ms; ${failures.length} failures`,
    );
    if (failures.length > 0) problems.push(`${name} failed ${failures.length} times, at first with ${failures[0]}`);
    if (longest > LONGEST_MS) problems.push(`${name} waited ${longest} ms`);
    if (name === 'login' ? at(0.9) > Math.max(LOGIN_MS, LOGIN_TIMES * hashMs) : at(0.5) > MEDIAN_MS) problems.push(`${name} was slow`);
  }
  const trickled = Math.max(0, ...attacks.trickledMs);
  report(`attacks: ${JSON.stringify(attacks.done)}; the longest trickle ${Math.round(trickled)} ms`);
  if (trickled > TRICKLE_MS) problems.push(`a body without a token trickled for ${Math.round(trickled)} ms`);
  attacks.stop();
  over = true;
  return problems;
}
