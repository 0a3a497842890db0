/**
 * Connection state recovery of Socket.IO (clients 4.6 and newer): a client that reconnects in time sends its old session (`pid`) and the
 * offset of the last event it has, gets the same session id, and is notified that it was recovered. Missed events are not kept here: its
 * new session reads them from the journal.
 *
 * A client requests it with `auth: { recovery: true }`. Only then do its events carry an offset as their last argument.
 */
import type { Principal } from '@polyedge/contracts/principal';

/** A session that has ended and can be resumed. */
export interface Parted {
  readonly sid: string;
  /** The state returned by `Session.parting`. */
  readonly state: unknown;
}

/** The edge's rules for resuming sessions. */
export interface RecoveryRules {
  /** How long a session can be resumed. */
  readonly keepMs: number;
  /** Requests a session that this process does not know from the edge's other processes. */
  findElsewhere(pid: string): Promise<Parted | undefined>;
  /** Decides whether a client may resume this session from its offset, and with which principal. `restored` becomes `Opening.restored`. */
  admit(state: unknown, offset: string): Promise<{ readonly credential: Principal; readonly restored: unknown } | undefined>;
}

/** Maximum number of sessions kept; the oldest is dropped first. */
const MAX_KEPT = 20_000;
const LONGEST_PID = 64;

/** A session as the library's adapter restores it (socket.io-adapter 2.5, `Session`). */
interface Restored {
  readonly sid: string;
  readonly pid: string;
  readonly rooms: readonly string[];
  readonly data: SocketData;
  readonly missedPackets: readonly never[];
}

/** A session whose socket is open. */
export interface LiveSession {
  readonly sid: string;
  /** Closes its connection and returns the state to resume from. */
  part(): unknown;
}

/** Our data on the library's socket. */
export interface SocketData {
  parting?: () => unknown;
  recovered?: { readonly credential: Principal; readonly restored: unknown };
}

export class Recovery {
  readonly #rules: RecoveryRules;
  readonly #now: () => number;
  /** By `pid`, in the order in which they ended. */
  readonly #parted = new Map<string, Parted & { readonly until: number }>();
  readonly #live = new Map<string, LiveSession>();

  constructor(rules: RecoveryRules, now: () => number = () => performance.now()) {
    this.#rules = rules;
    this.#now = now;
  }

  /**
   * A recoverable session has started.
   * @returns what to call when its socket has ended
   */
  opened(pid: string, session: LiveSession): () => void {
    this.#live.set(pid, session);
    return () => {
      if (this.#live.get(pid) === session) this.#live.delete(pid);
    };
  }

  /** Removes and returns a session, for one client. If its connection still seems open it is closed: the client knows better. */
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

  /** (`SessionAwareAdapter.persistSession`; called by the library when a connection ended against the client's will.) */
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

  /** (`SessionAwareAdapter.restoreSession`.) Null: the client starts a new session. */
  async restore(pid: string, offset: string): Promise<Restored | null> {
    if (pid.length > LONGEST_PID) return null;
    const parted = this.take(pid) ?? (await this.#rules.findElsewhere(pid));
    const admitted = parted === undefined ? undefined : await this.#rules.admit(parted.state, offset);
    if (parted === undefined || admitted === undefined) return null;
    return { sid: parted.sid, pid, rooms: [], data: { recovered: admitted }, missedPackets: [] };
  }
}
