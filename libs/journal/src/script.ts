/** Scripts run by their hash; their text goes to a server that does not know it yet. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Redis } from './redis.ts';

export interface Script {
  readonly name: string;
  readonly text: string;
  readonly sha: string;
  /** It only reads, so that a user of Redis who may only read its keys can run it. */
  readonly reads: boolean;
}

/** Reads `scripts/<name>.lua`. */
export function loadScript(name: string, reads = false): Script {
  const text = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  return { name, text, sha: createHash('sha1').update(text).digest('hex'), reads };
}

/** Runs a script that answers a list of texts. Fails when Redis does. */
export async function runScript(
  redis: Redis,
  { name, text, sha, reads }: Script,
  keys: readonly string[],
  args: readonly string[],
): Promise<readonly string[]> {
  let answer: unknown;
  try {
    answer = await redis.call(reads ? 'EVALSHA_RO' : 'EVALSHA', sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    answer = await redis.call(reads ? 'EVAL_RO' : 'EVAL', text, keys.length, ...keys, ...args);
  }
  if (!Array.isArray(answer)) throw new Error(`the script ${name} answered unexpectedly`);
  return answer.map(String);
}
