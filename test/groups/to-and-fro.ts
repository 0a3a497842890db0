/** Moves the organization to the other journal and back for as long as the torture lasts; its mover is killed now and then. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { MOVED } from './ground.ts';
import { pause } from './time.ts';

const PROGRAM = resolve(import.meta.dirname, '../../services/graph-store/src/tenants.ts');

export interface ToAndFroOptions {
  /** The journals with their databases; the organization is in the first. */
  readonly journals: ReadonlyMap<string, string>;
  /** The pause between two moves. */
  readonly pauseMs: number;
  /** Told when the organization is in another journal. */
  readonly moved: (to: string) => void;
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
    // Who waits for the end is told of a failure.
    this.#done.catch(() => {});
  }

  /** @returns whether there was a mover to kill */
  kill(): boolean {
    return this.#mover?.kill('SIGKILL') === true;
  }

  /** Resolves when the move under way is done; fails when one could not be made. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let at = 1; !this.#stopped; at += 1) {
      await this.#move(this.#names[at % this.#names.length] ?? '');
      this.moves += 1;
      await pause(this.#options.pauseMs);
    }
  }

  async #move(target: string): Promise<void> {
    const [main = ['', ''], ...others] = this.#options.journals;
    const databases = { DATABASE_URL: main[1], POLYEDGE_JOURNALS: others.map(([name, url]) => `${name}=${url}`).join(' ') };
    for (;;) {
      const mover = spawn(process.execPath, [PROGRAM, 'move', MOVED, target], {
        env: { ...process.env, ...databases },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      this.#mover = mover;
      let output = '';
      for (const stream of [mover.stdout, mover.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          output += text;
          if (text.includes('its writes were refused')) this.#options.moved(target);
        });
      const [code] = await once(mover, 'exit');
      if (code === 0) return;
      if (code !== null) throw new Error(`the mover ended with ${code}: ${output.slice(-2000)}`);
    }
  }
}
