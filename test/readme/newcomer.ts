/** A fresh clone of the repository, and terminals to run the documented commands. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { watchOver } from '@polyedge/testkit/servers/watchdog';
import { until } from '@polyedge/testkit/until';

const root = resolve(import.meta.dirname, '../..');
const patienceMs = 180_000;
const commandMs = 120_000;
/** Separates the outputs of two commands of one script. */
const BETWEEN = '\u001e';

/** A command that keeps running in a terminal of its own. */
export interface Terminal {
  readonly output: () => string;
  /** Waits for a text. Fails if the command ends first, or after some minutes. */
  readonly saw: (pattern: RegExp) => Promise<void>;
  /** Sends Ctrl-C; resolves to the exit code. */
  readonly interrupt: () => Promise<number | null>;
}

export class Newcomer implements AsyncDisposable {
  /** The clone. */
  readonly folder: string;
  /** A folder next to the clone, for files outside of it. */
  readonly elsewhere: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #above: string;
  readonly #terminals = new Set<ChildProcess>();

  /** Clones what is committed, and nothing else. */
  constructor() {
    this.#above = mkdtempSync(join(tmpdir(), 'polyedge-newcomer-'));
    this.folder = join(this.#above, 'polyedge');
    this.elsewhere = join(this.#above, 'elsewhere');
    mkdirSync(this.elsewhere);
    // The checkout may belong to another account than that of the tests.
    const gitConfig = join(this.#above, 'gitconfig');
    writeFileSync(gitConfig, '[safe]\n\tdirectory = *\n');
    const env = { ...process.env, GIT_CONFIG_GLOBAL: gitConfig };
    execFileSync('git', ['clone', '--quiet', root, this.folder], { env, stdio: 'pipe' });
    this.#env = ownEnvironment();
  }

  /** Sets a variable, as documented. */
  set(name: string, value: string): void {
    this.#env[name] = value;
  }

  /** Runs commands one after the other in one shell, up to the first that fails; returns the output of each. */
  async run(commands: readonly string[]): Promise<readonly string[]> {
    const script = ['exec 2>&1', 'set -e', ...commands.flatMap((command) => [command, `printf '${BETWEEN}'`])].join('\n');
    const { code, output } = await new Promise<{ readonly code: number; readonly output: string }>((done) => {
      execFile('/bin/sh', ['-c', script], { cwd: this.folder, env: this.#environment(), timeout: commandMs }, (error, out) =>
        done({ code: error === null ? 0 : Number(error.code ?? 1), output: out }),
      );
    });
    const outputs = output.split(BETWEEN);
    assert.equal(code, 0, `${commands[outputs.length - 1]}\n${outputs.at(-1)}`);
    return outputs;
  }

  /** Starts a command that keeps running, in its own process group, as in a terminal. */
  open(command: string): Terminal {
    const child = spawn('/bin/sh', ['-c', command], {
      cwd: this.folder,
      env: this.#environment(),
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#terminals.add(child);
    // In a group of its own, it would outlive a test run that is aborted.
    if (child.pid !== undefined) child.once('exit', watchOver(-child.pid, this.#above));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
    return {
      output: () => output,
      saw: async (pattern) => {
        const printed = () => pattern.test(output);
        await until(`${command} prints ${pattern}`, () => printed() || child.exitCode !== null, {
          withinMs: patienceMs,
          seen: () => output,
        });
        assert.ok(printed(), `${command} ended before it printed ${pattern}:\n${output}`);
      },
      interrupt: async () => {
        if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
        const ended = once(child, 'exit', { signal: AbortSignal.timeout(90_000) });
        signal(child, 'SIGINT');
        await ended;
        return child.exitCode;
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#terminals) signal(child, 'SIGKILL');
    rmSync(this.#above, { recursive: true, force: true, maxRetries: 5 });
  }

  /** With the Node that `npm start` has installed in the clone, as in docs/operations.md. */
  #environment(): NodeJS.ProcessEnv {
    const own = join(this.folder, '.polyedge/toolchain/node_modules/.bin');
    return existsSync(join(own, 'node')) ? { ...this.#env, PATH: `${own}:${this.#env.PATH}` } : this.#env;
  }
}

/** A clean environment: nothing from this working copy, this test run and its system. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(npm_(package|lifecycle|command|node_execpath|execpath|config_(local_prefix|prefix)$)|INIT_CWD$|NODE_(TEST|OPTIONS)|POLYEDGE_|NATS_|REDIS_|DATABASE_|OTEL_|(\w+_)?PORT$)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)));
  const path = (process.env.PATH ?? '').split(':').filter((entry) => !entry.startsWith(root));
  return { ...env, PATH: path.join(':') };
}

function signal({ pid, exitCode, signalCode }: ChildProcess, name: NodeJS.Signals): void {
  if (pid === undefined || exitCode !== null || signalCode !== null) return;
  try {
    process.kill(-pid, name);
  } catch {
    // It has ended.
  }
}
