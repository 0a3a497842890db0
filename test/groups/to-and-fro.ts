/** Moves the organization to the other journal and back for as long as the test lasts; its mover is killed now and then. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import postgres from 'postgres';
import { MOVED } from './ground.ts';
import { now, pause } from './time.ts';

const PROGRAM = resolve(import.meta.dirname, '../../services/graph-store/src/tenants.ts');

/** Interval of checking whether the organization has left a journal. */
const LOOK_MS = 50;

/** The time of a decision: between two times of the machine's monotonic clock, in ms. */
export interface Decision {
  readonly after: number;
  readonly before: number;
}

export interface ToAndFroOptions {
  /** The journals with their databases; the organization is in the first. */
  readonly journals: ReadonlyMap<string, string>;
  readonly redisUrl: string;
  /** The pause between two moves. */
  readonly pauseMs: number;
  /** The number of moves to make, even if it is stopped before. */
  readonly atLeast: number;
  /** Called for each decision, whatever happens to the mover afterwards. */
  readonly decided: (to: string, when: Decision) => void;
}

export class ToAndFro {
  moves = 0;
  readonly #options: ToAndFroOptions;
  readonly #names: readonly string[];
  readonly #done: Promise<void>;
  #mover: ChildProcess | undefined;
  #stopped = false;

  constructor(options: ToAndFroOptions) {
    this.#options = options;
    this.#names = [...options.journals.keys()];
    this.#done = this.#run();
    // `stop` reports a failure.
    this.#done.catch(() => {});
  }

  /** @returns whether there was a mover to kill */
  kill(): boolean {
    return this.#mover?.kill('SIGKILL') === true;
  }

  /** Resolves when the current move, and the minimum number, are done; rejects if a move failed. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let at = 1; !this.#stopped || this.moves < this.#options.atLeast; at += 1) {
      const [source = '', target = ''] = [at - 1, at].map((one) => this.#names[one % this.#names.length]);
      const ended = new AbortController();
      const moving = this.#move(target).finally(() => ended.abort());
      const [when] = await Promise.all([this.#decision(source, ended.signal), moving]);
      this.#options.decided(target, when);
      this.moves += 1;
      await pause(this.#options.pauseMs);
    }
  }

  /** Asks the old journal, since a mover may be killed before it reports its decision. */
  async #decision(source: string, ended: AbortSignal): Promise<Decision> {
    const sql = postgres(this.#options.journals.get(source) ?? '', { max: 1, onnotice: () => {} });
    try {
      for (let after = now(); ; await pause(LOOK_MS)) {
        const [asked, isLast] = [now(), ended.aborted];
        const left = await sql`select from away where tenant = ${MOVED} and until is null`;
        if (left.length > 0) return { after, before: now() };
        if (isLast) throw new Error(`the mover has ended, and ${MOVED} is still in ${source}`);
        after = asked;
      }
    } finally {
      await sql.end({ timeout: 1 });
    }
  }

  async #move(target: string): Promise<void> {
    const { journals, redisUrl } = this.#options;
    const [main = ['', ''], ...others] = journals;
    const databases = { DATABASE_URL: main[1], POLYEDGE_JOURNALS: others.map(([name, url]) => `${name}=${url}`).join(' ') };
    for (;;) {
      const mover = spawn(process.execPath, [PROGRAM, 'move', MOVED, target], {
        env: { ...process.env, ...databases, REDIS_URL: redisUrl },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#mover = mover;
      let output = '';
      for (const stream of [mover.stdout, mover.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
        });
      const [code] = await once(mover, 'exit');
      if (code === 0) return;
      if (code !== null) throw new Error(`the mover ended with ${code}: ${output.slice(-2000)}`);
    }
  }
}
