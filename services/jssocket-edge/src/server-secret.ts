/**
 * The secret of cores and publishers, stored as a bcrypt hash like the original's `SOCKET_AUTH`. Hashing takes a quarter of a second, so it
 * runs off the event loop, and only for a secret that has not been accepted before; a keyed digest of the accepted one stays in memory.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { hash, verify } from '@node-rs/bcrypt';
import type { Clock } from '@polyedge/edge-kit/wheel';
import { HashQueue } from '@polyedge/service-kit/hash-queue';
import { networkOf } from '@polyedge/service-kit/network';

/** The original's default, which is publicly known. */
export const DEFAULT_SECRET = '12345678';
/** The hex of a bcrypt hash of it, generated for this edge. */
export const DEFAULT_AUTH =
  '24326224313224526b68496b735335476b4754334c62522f674f6e634f6e3543685565384f4b4339304873514c696d59515656697961456d70522f53';

/** bcrypt uses no more; longer secrets are truncated, as in bcrypt 4.1.2. */
const SECRET_BYTES = 72;
const COST = 12;

/** Decodes the hex text of a bcrypt hash; undefined if it is not one. */
export function readAuth(hex: string): string | undefined {
  // A value that comes from a file ends with a newline.
  const digits = hex.trim();
  if (!/^(?:[0-9a-f]{2})+$/i.test(digits)) return undefined;
  const text = Buffer.from(digits, 'hex').toString('latin1');
  return /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/.test(text) ? text : undefined;
}

/** The hex text of a secret's hash, for `SOCKET_AUTH`. */
export async function authOf(secret: Uint8Array): Promise<string> {
  return Buffer.from(await hash(secret.subarray(0, SECRET_BYTES), COST)).toString('hex');
}

export interface SecretLimits {
  /** The most wrong secrets of one network within `windowMs`; further ones are rejected unchecked. */
  readonly maxFailures: number;
  readonly windowMs: number;
}

/** `refused`: too many wrong secrets came from this network. `busy`: not checked, because its turn would have come too late. */
export type SecretCheck = 'right' | 'wrong' | 'refused' | 'busy';

/** How long a caller waits for its turn. */
const WAIT_MS = 15_000;
const MAX_NETWORKS = 10_000;

export class ServerSecret {
  readonly counts = { checked: 0, wrong: 0, refused: 0, busy: 0 };
  readonly #hash: string;
  readonly #limits: SecretLimits;
  readonly #clock: Clock;
  readonly #key = randomBytes(32);
  readonly #failures = new Map<string, { count: number; since: number }>();
  /** One at a time: more threads would only take CPU time from the event loop. */
  readonly #queue: HashQueue;
  #accepted: Buffer | undefined;

  constructor(bcryptHash: string, limits: SecretLimits, clock: Clock) {
    this.#hash = bcryptHash;
    this.#limits = limits;
    this.#clock = clock;
    this.#queue = new HashQueue(1, () => clock.now());
  }

  /**
   * Compares a secret with the hash. Never rejects, and takes a quarter of a second for one that was not accepted before.
   * @param gone whether the caller has left: then nothing is hashed for it
   */
  async check(secret: Uint8Array, address: string, gone: () => boolean = () => false): Promise<SecretCheck> {
    const bytes = secret.subarray(0, SECRET_BYTES);
    const digest = createHmac('sha256', this.#key).update(bytes).digest();
    const network = networkOf(address);
    const known = this.#known(digest, network);
    if (known !== undefined) return known;
    const caller = { address: network, account: network, deadline: this.#clock.now() + WAIT_MS };
    const verdict = await this.#queue.run(caller, async () => (gone() ? 'busy' : this.#compare(bytes, digest, network)));
    if (verdict !== 'busy' && verdict !== 'expired') return verdict;
    this.counts.busy += 1;
    return 'busy';
  }

  /** What is known without hashing. */
  #known(digest: Buffer, network: string): 'right' | 'refused' | undefined {
    if (this.#accepted !== undefined && timingSafeEqual(this.#accepted, digest)) return 'right';
    if (this.#failuresOf(network) < this.#limits.maxFailures) return undefined;
    this.counts.refused += 1;
    return 'refused';
  }

  async #compare(bytes: Uint8Array, digest: Buffer, network: string): Promise<SecretCheck> {
    // Others of the queue may have failed in the meantime.
    const known = this.#known(digest, network);
    if (known !== undefined) return known;
    this.counts.checked += 1;
    const right = await verify(bytes, this.#hash).catch(() => false);
    if (right) {
      this.#accepted = digest;
      return 'right';
    }
    this.counts.wrong += 1;
    this.#failed(network);
    return 'wrong';
  }

  #failuresOf(network: string): number {
    const known = this.#failures.get(network);
    return known === undefined || this.#clock.now() - known.since > this.#limits.windowMs ? 0 : known.count;
  }

  #failed(network: string): void {
    const count = this.#failuresOf(network);
    const since = count === 0 ? this.#clock.now() : (this.#failures.get(network)?.since ?? 0);
    // The newest is last, so that the oldest is evicted at the bound.
    this.#failures.delete(network);
    this.#failures.set(network, { count: count + 1, since });
    if (this.#failures.size <= MAX_NETWORKS) return;
    for (const oldest of this.#failures.keys()) {
      this.#failures.delete(oldest);
      return;
    }
  }
}
