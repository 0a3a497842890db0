/**
 * Connection state recovery of Socket.IO (clients 4.6 and newer): a client that comes back within some time names its old session (`pid`) and the
 * offset of the last event it has, gets the same session id, and is told that it was recovered. What it missed is not kept here: its new
 * conversation reads it from the journal.
 *
 * A client asks with `auth: { recovery: true }`. Only then do its events carry an offset, as a last argument; others see nothing of it.
 */
import type { Principal } from '@polyedge/contracts/principal';

/** A session that has ended and may be gone on with. */
export interface Parted {
  readonly sid: string;
  /** What its conversation said (`Session.parting`). */
  readonly state: unknown;
}

/** What the edge decides about sessions of its clients. */
export interface RecoveryRules {
  /** How long a session can be gone on with. */
  readonly keepMs: number;
  /** Asks the other processes of the edge for a session that this one does not know. */
  ask(pid: string): Promise<Parted | undefined>;
  /** Whether a client may go on with this session from its offset, and as whom. `restored` is for `Opening.restored`. */
  admit(state: unknown, offset: string): Promise<{ readonly credential: Principal; readonly restored: unknown } | undefined>;
}

/** Sessions kept at once; the oldest goes first. */
const MAX_KEPT = 20_000;
const LONGEST_PID = 64;

/** The library's session, as its adapter restores it (socket.io-adapter 2.5, `Session`). */
interface Restored {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly string[];
  readonly data: SocketData;
  readonly missedPackets: readonly never[];
}

/** A session whose socket lives. */
export interface LiveSession {
  readonly sid: string;
  /** Ends its connection, and says what it can be gone on with from. */
  part(): unknown;
}

/** What the library keeps with a socket for us. */
export interface SocketData {
  parting?: () => unknown;
  recovered?: { readonly credential: Principal; readonly restored: unknown };
}

export class Recovery {
  readonly #rules: RecoveryRules;
  readonly #now: () => number;
  /** By `pid`, in the order in which they parted. */
  readonly #parted = new Map<string, Parted & { readonly until: number }>();
  readonly #live = new Map<string, LiveSession>();

  constructor(rules: RecoveryRules, now: () => number = () => performance.now()) {
    this.#rules = rules;
    this.#now = now;
  }

  /** A session that can be gone on with has begun. @returns what to call when its socket has ended */
  opened(pid: string, session: LiveSession): () => void {
    this.#live.set(pid, session);
    return () => {
      if (this.#live.get(pid) === session) this.#live.delete(pid);
    };
  }

  /** Takes a session out, for one client. One whose connection still seems to live is cut: the client knows better. */
  take(pid: string): Parted | undefined {
    const live = this.#live.get(pid);
    if (live !== undefined) {
      this.#live.delete(pid);
      const state = live.part();
      return state === undefined ? undefined : { sid: live.sid, state };
    }
    const parted = this.#parted.get(pid);
    this.#parted.delete(pid);
    return parted !== undefined && parted.until > this.#now() ? { sid: parted.sid, state: parted.state } : undefined;
  }

  /** (`SessionAwareAdapter.persistSession`; the library calls it for ends that a client did not want.) */
  persist({ sid, pid, data }: { readonly sid: string; readonly pid: string; readonly data: SocketData }): void {
    const state = data.parting?.();
    if (state === undefined) return;
    const now = this.#now();
    for (const [old, { until }] of this.#parted) {
      if (until > now && this.#parted.size < MAX_KEPT) break;
      this.#parted.delete(old);
    }
    this.#parted.set(pid, { sid, state, until: now + this.#rules.keepMs });
  }

  /** (`SessionAwareAdapter.restoreSession`.) Null: the client begins anew. */
  async restore(pid: string, offset: string): Promise<Restored | null> {
    if (pid.length > LONGEST_PID) return null;
    const parted = this.take(pid) ?? (await this.#rules.ask(pid));
    const admitted = parted === undefined ? undefined : await this.#rules.admit(parted.state, offset);
    if (parted === undefined || admitted === undefined) return null;
    return { sid: parted.sid, pid, rooms: [], data: { recovered: admitted }, missedPackets: [] };
  }
}
