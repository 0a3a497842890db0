/** A good script's answers alone and next to a hundred hostile scripts that a single write fires at once, again and again. */
import { type Session, session } from '../../services/saga-edge/test/client.ts';
import { ADMIN, startSystem } from './system.ts';

export interface BombsOptions {
  /** How long the hostile scripts are fired. */
  readonly seconds: number;
  readonly report: (line: string) => void;
}

const ALONE_MS = 8000;
const SCRIPTS = 100;
const FIRED_EVERY_MS = 2000;
const BOTS = 8;
const PAUSE_MS = 60;
/** The 99th percentile next to hostile scripts is at most this multiple of the one alone, or this. */
const TIMES = 2;
const FLOOR_MS = 250;

const BOMBS = [
  'for (;;) {}',
  'const all = []; for (;;) all.push(new Array(100000).fill(1));',
  'for (;;) console.log("x".repeat(1000));',
  'for (;;) await GlobalProperty.get("x");',
  'let s = "x"; for (;;) s += s;',
  'const storm = () => Promise.resolve().then(storm); storm(); await new Promise(() => {});',
  'for (;;) setTimeout(() => {}, 1);',
  'await GlobalProperty.add("bomb", 1);',
  '/(a+)+$/.test("a".repeat(60) + "b");',
  'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);',
  'throw new Error("x");',
];

/** Runs until time is up. @returns the problems found */
export async function runBombs({ seconds, report }: BombsOptions): Promise<readonly string[]> {
  await using system = await startSystem({ runner: { RUNNER_MEMORY_MB: '64' } });
  const client = await session(system.saga.url, ADMIN);
  const bots: string[] = [];
  for (let at = 0; at < BOTS; at += 1) {
    const bot: string = (await client.api('POST', '/bots', { name: `bot${at}` })).body._id;
    bots.push(bot);
    await client.send('/bots/join', bot);
  }
  const save = (name: string, path: string, body: string) => client.api('POST', '/scripts', { name, path, body });
  await save('good', '/bots/properties/ask', 'await BotProperty.add("answer", property.value, property.parent_id);');
  for (let at = 0; at < SCRIPTS; at += 1) await save(`bomb${at}`, '/globals/properties/bomb', BOMBS[at % BOMBS.length] ?? '');
  const good = answersOf(client, bots);

  await good(ALONE_MS / 2);
  const alone = await good(ALONE_MS);
  report(`alone: ${summary(alone)}`);
  let over = false;
  const fire = async (): Promise<void> => {
    for (let value = 0; !over; value += 1) {
      await client.send('/globals/properties', { name: 'bomb', value });
      await new Promise((resolve) => setTimeout(resolve, FIRED_EVERY_MS));
    }
  };
  const firing = fire();
  const beside = await good(seconds * 1000);
  over = true;
  await firing;
  report(`next to ${SCRIPTS} hostile scripts: ${summary(beside)}`);
  client.close();
  const [limit, p99] = [Math.max(FLOOR_MS, TIMES * quantile(alone, 0.99)), quantile(beside, 0.99)];
  return p99 > limit ? [`the 99th percentile is ${Math.round(p99)} ms instead of at most ${Math.round(limit)} ms`] : [];
}

/** Writes and waits for what the script writes because of it, bot by bot, for so long. The function returns how long each took. */
function answersOf({ socket }: Session, bots: readonly string[]): (ms: number) => Promise<readonly number[]> {
  const waiting = new Map<string, () => void>();
  socket.on('/properties', (property) => {
    const { name, parent_id, value } = property as { readonly name: string; readonly parent_id: string; readonly value: number };
    if (name === 'answer') waiting.get(`${parent_id} ${value}`)?.();
  });
  let count = 0;
  return async (ms) => {
    const tookMs: number[] = [];
    const endsAt = performance.now() + ms;
    const ask = async (bot: string): Promise<void> => {
      while (performance.now() < endsAt) {
        count += 1;
        const key = `${bot} ${count}`;
        const began = performance.now();
        const heard = new Promise<void>((resolve) => waiting.set(key, resolve));
        socket.emit('/bots/properties', { name: 'ask', parent_id: bot, value: count });
        await heard;
        waiting.delete(key);
        tookMs.push(performance.now() - began);
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
    };
    await Promise.all(bots.map(ask));
    return tookMs;
  };
}

const quantile = (tookMs: readonly number[], part: number): number =>
  tookMs.toSorted((left, right) => left - right)[Math.floor(tookMs.length * part)] ?? 0;

const summary = (tookMs: readonly number[]): string =>
  `${tookMs.length} answers, median ${Math.round(quantile(tookMs, 0.5))} ms, p99 ${Math.round(quantile(tookMs, 0.99))} ms, longest ${Math.round(Math.max(0, ...tookMs))} ms`;
