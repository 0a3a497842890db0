/**
 * Named leases on Redis' clock, for work that one process at a time should do. Each acquisition has a higher fence than all before. A lease
 * only keeps others from trying: what must not happen twice is guarded where it takes effect.
 */
import { randomBytes } from 'node:crypto';
import type { Redis } from './redis.ts';
import { loadScript, runScript } from './script.ts';

const SCRIPTS = { take: loadScript('lease-take'), keep: loadScript('lease-keep') };

export interface Lease {
  readonly fence: number;
  /** Renews the lease for `termMs` from now. Returns whether it is still held. */
  renew(termMs: number): Promise<boolean>;
  release(): Promise<void>;
}

export class Leases {
  readonly #redis: Redis;
  readonly #prefix: string;

  /** @param prefix of the keys: a prefix that the process' Redis user may access */
  constructor(redis: Redis, prefix: string) {
    this.#redis = redis;
    this.#prefix = prefix;
  }

  /** The lease, or why there is none: another process holds it, or Redis does not answer. */
  async take(name: string, termMs: number): Promise<Lease | 'held' | 'unavailable'> {
    const owner = randomBytes(12).toString('hex');
    // Both keys are in one slot of a cluster.
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
      if (fence === undefined) return 'held';
      return {
        fence: Number(fence),
        renew: (forMs) => keep('renew', forMs),
        release: async () => {
          await keep('release', 0);
        },
      };
    } catch {
      return 'unavailable';
    }
  }
}
