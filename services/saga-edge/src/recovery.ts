/** Connection state recovery of saga-edge: which sessions may be resumed, and how replicas find them. */
import { randomBytes } from 'node:crypto';
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { sagaHandedOver, sagaSought } from '@polyedge/contracts/bus/recovery';
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { type Parted, Recovery } from '@polyedge/edge-kit/transport/socketio-recovery';
import type { Bus } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';
import { processSurroundings, type Surroundings } from '@polyedge/service-kit/surroundings';
import { isParting, offsetOf, type Restored } from './protocol/recovery.ts';

/** Time-out of another replica's answer; then the client starts a new session. */
const ASK_MS = 1_000;
const MAX_ASKED = 1_000;
/** A client that missed more reads the current state, like after a long absence. */
const MAX_MISSED = 1_000_000;

export interface RecoveryOptions {
  readonly bus: Bus;
  readonly keepMs: number;
  readonly requestTimeoutMs: number;
  readonly verify: (token: string) => Promise<Outcome<Principal>>;
  /** Identifies this replica; default random. */
  readonly edge?: string;
  /** Default: the process's clock and timers. */
  readonly surroundings?: Pick<Surroundings, 'now' | 'after'>;
}

/** Sessions of this replica's clients, and the exchange with other replicas. */
export function openRecovery({
  bus,
  keepMs,
  requestTimeoutMs,
  verify,
  edge = randomBytes(12).toString('base64url'),
  surroundings = processSurroundings,
}: RecoveryOptions): { readonly recovery: Recovery; close(): void } {
  const waiting = new Map<string, (parted: Parted | undefined) => void>();

  const findElsewhere = (pid: string): Promise<Parted | undefined> => {
    if (waiting.size >= MAX_ASKED || waiting.has(pid)) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const cancel = surroundings.after(ASK_MS, () => resolveWith(undefined));
      const resolveWith = (parted: Parted | undefined): void => {
        cancel();
        waiting.delete(pid);
        resolve(parted);
      };
      waiting.set(pid, resolveWith);
      bus.publish(sagaSought, {}, { pid, edge });
    });
  };

  /** The token is verified again: it may have expired or been revoked meanwhile. */
  const admit = async (
    state: unknown,
    offset: string,
  ): Promise<{ readonly credential: Principal; readonly restored: Restored } | undefined> => {
    const after = offsetOf(offset);
    if (after === undefined || !isParting(state)) return undefined;
    const verified = await verify(state.token);
    if (!verified.ok) return undefined;
    const journal = busOfTenant(bus, verified.value.tenant);
    const position = await journal.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: requestTimeoutMs });
    if (!position.ok) return undefined;
    const { epoch, seq, oldest } = position.value;
    const isKept = epoch === after.epoch && after.seq <= seq && after.seq + 1 >= oldest && seq - after.seq <= MAX_MISSED;
    // It may be revoked meanwhile.
    return isKept && (await verify(state.token)).ok ? { credential: verified.value, restored: { ...state, after } } : undefined;
  };

  const recovery = new Recovery({ keepMs, findElsewhere, admit }, surroundings.now);
  const subscriptions = [
    bus.subscribe(sagaSought, sagaSought.subject({}), ({ pid, edge: seeker }) => {
      const parted = seeker === edge ? undefined : recovery.take(pid);
      if (parted !== undefined && isParting(parted.state)) {
        bus.publish(sagaHandedOver, { edge: seeker }, { pid, sid: parted.sid, state: parted.state });
      }
    }),
    bus.subscribe(sagaHandedOver, sagaHandedOver.subject({ edge }), ({ pid, sid, state }) => waiting.get(pid)?.({ sid, state })),
  ];
  return {
    recovery,
    close: () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
      for (const resolveWith of [...waiting.values()]) resolveWith(undefined);
    },
  };
}
