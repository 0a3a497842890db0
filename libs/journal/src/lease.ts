/**
 * Leases by name on Redis' clock, for work that one process at a time is in charge of. Each taking has a fence above all before it. A lease is a
 * way to keep others from trying: what must not happen twice is guarded where it takes effect.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from './redis.ts';
import { loadScript, runScript } from './script.ts';

const SCRIPTS = { take: loadScript('lease-take'), keep: loadScript('lease-keep') };

export interface Lease {
  readonly fence: number;
  /** Whether it is still held; it is then held for so long from now. */
  renew(termMs: number): Promise<boolean>;
  release(): Promise<void>;
}

export class Leases {
  readonly #redis: Redis;
  readonly #prefix: string;

  /** @param prefix of the keys: what the process' user in Redis may use */
  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** Undefined when somebody else holds it, or Redis cannot be asked. */
  async take(name: string, termMs: number): Promise<Lease | undefined> {
    const owner = randomBytes(12).toString('hex');
    // One slot of a cluster for both.
    const keys = [`${this.#prefix}{${name}}`, `${this.#prefix}{${name}}:fence`];
    const keep = async (what: 'renew' | 'release', forMs: number): Promise<boolean> => {
      try {
        const [held] = await runScript(this.#redis, SCRIPTS.keep, keys.slice(0, 1), [what, owner, String(forMs)]);
        return held === '1';
      } catch {
        return false;
      }
    };
    try {
      const [fence] = await runScript(this.#redis, SCRIPTS.take, keys, [owner, String(termMs)]);
      if (fence === undefined) return undefined;
      return {
        fence: Number(fence),
        renew: (forMs) => keep('renew', forMs),
        release: async () => {
          await keep('release', 0);
        },
      };
    } catch {
      return undefined;
    }
  }
}
