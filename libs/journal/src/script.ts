/** Lua scripts, run by their hash; the text is sent if the server does not have it. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type Redis, sendAll } from './redis.ts';

export interface Script {
  readonly name: string;
  readonly text: string;
  readonly sha: string;
  /** The script is read-only, so a Redis user with read access can run it. */
  readonly reads: boolean;
}

export interface ScriptCall {
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/** Reads `scripts/<name>.lua`. */
export function loadScript(name: string, reads = false): Script {
  const text = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  return { name, text, sha: createHash('sha1').update(text).digest('hex'), reads };
}

/** Runs a script once for each of several keys and arguments, with `sendAll`. Fails if Redis fails for one of them. */
export async function runScripts(redis: Redis, script: Script, calls: readonly ScriptCall[]): Promise<readonly (readonly string[])[]> {
  const [first] = calls;
  if (first === undefined) return [];
  if (calls.length === 1) return [await runScript(redis, script, first.keys, first.args)];
  // Methods of a pipeline are the names of commands in lower case.
  const name = script.reads ? 'evalsha_ro' : 'evalsha';
  const answers = await sendAll(
    redis,
    calls.map(({ keys, args }) => [name, script.sha, keys.length, ...keys, ...args]),
  );
  return await Promise.all(
    calls.map(async ({ keys, args }, at) => {
      const [error, answer] = answers[at] ?? [new Error('Redis did not answer')];
      if (error === null) return textsOf(script, answer);
      if (!isUnknown(error)) throw error;
      return await runScript(redis, script, keys, args);
    }),
  );
}

/** Collects the calls of one script that are made in the same turn, and sends them with `runScripts`. */
export class ScriptTurn {
  readonly #redis: Redis;
  readonly #script: Script;
  #calls: (ScriptCall & PromiseWithResolvers<readonly string[]>)[] = [];

  constructor(redis: Redis, script: Script) {
    this.#redis = redis;
    this.#script = script;
  }

  /** Fails if Redis fails for one of the calls of the turn. */
  run(keys: readonly string[], args: readonly string[]): Promise<readonly string[]> {
    const call = { keys, args, ...Promise.withResolvers<readonly string[]>() };
    this.#calls.push(call);
    if (this.#calls.length === 1) queueMicrotask(() => void this.#send());
    return call.promise;
  }

  async #send(): Promise<void> {
    const calls = this.#calls;
    this.#calls = [];
    try {
      const answers = await runScripts(this.#redis, this.#script, calls);
      for (const [at, { resolve }] of calls.entries()) resolve(answers[at] ?? []);
    } catch (error) {
      for (const { reject } of calls) reject(error);
    }
  }
}

/** Runs a script that returns a list of strings. Fails if Redis does. */
export async function runScript(
  redis: Redis,
  script: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<readonly string[]> {
  const { text, sha, reads } = script;
  let answer: unknown;
  try {
    answer = await redis.call(reads ? 'EVALSHA_RO' : 'EVALSHA', sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!isUnknown(error)) throw error;
    answer = await redis.call(reads ? 'EVAL_RO' : 'EVAL', text, keys.length, ...keys, ...args);
  }
  return textsOf(script, answer);
}

/** Redis does not have the script. */
const isUnknown = (error: unknown): boolean => error instanceof Error && error.message.startsWith('NOSCRIPT');

function textsOf({ name }: Script, answer: unknown): readonly string[] {
  if (!Array.isArray(answer)) throw new Error(`the script ${name} answered unexpectedly`);
  const texts = answer.map(String);
  // Lists that the library has made may be in V8's old generation, where they keep their texts alive until a full collection (ADR 43).
  answer.length = 0;
  return texts;
}
