/** The Saga part of a simulated edge: the real sessions, driver and recovery, with a stand-in for the Socket.IO listener (`socketio-listener.ts`). */
import { accountsChanged } from '@polyedge/contracts/bus/accounts';
import { sagaSignal } from '@polyedge/contracts/bus/signals';
import { Driver, type DriverOptions } from '@polyedge/edge-kit/driver/driver';
import type { FakePacket } from '@polyedge/edge-kit/testing/fake-wire';
import type { Recovery } from '@polyedge/edge-kit/transport/socketio-recovery';
import type { Framing, WireHandler } from '@polyedge/edge-kit/transport/wire';
import type { SagaFrame, SagaOut, SagaRaw } from '../../services/saga-edge/src/protocol/codec.ts';
import { SEED_ROLES } from '../../services/saga-edge/src/protocol/permissions.ts';
import { sagaProtocol } from '../../services/saga-edge/src/protocol/protocol.ts';
import { openRecovery } from '../../services/saga-edge/src/recovery.ts';
import type { Process } from './process.ts';
import { verify } from './settings.ts';
import type { Opened, SimulatedWire } from './wire.ts';

/** How long a session can be resumed. */
const KEEP_MS = 10_000;

const jsonFraming: Framing<SagaRaw, FakePacket> = {
  pack: (raw) => {
    const text = JSON.stringify(raw);
    return { text, bytes: text.length };
  },
  ping: (payload) => ({ text: `ping:${payload}`, bytes: payload.length }),
};

const PROTOCOL = sagaProtocol({
  ...{ authTimeoutMs: 5000, legacyMessages: false, selfAccess: true, disconnectOnTokenExpiry: false },
  ...{ maxJoins: 5, maxInFlight: 64, maxWaiting: 1000, rolesOf: () => SEED_ROLES },
});

type SharedOptions = Omit<DriverOptions<SagaRaw, SagaFrame, SagaOut, FakePacket>, 'protocol' | 'framing'>;

export class SagaSide {
  readonly #process: Process;
  readonly #driver: Driver<SagaRaw, SagaFrame, SagaOut, FakePacket>;
  readonly #recovery: Recovery;
  #count = 0;

  constructor(process: Process, shared: SharedOptions) {
    this.#process = process;
    this.#driver = new Driver({ ...shared, protocol: PROTOCOL, framing: jsonFraming, sharedChannels: [accountsChanged, sagaSignal] });
    const surroundings = { now: process.now, after: (ms: number, run: () => void) => process.after(ms, run) };
    const admits = { bus: shared.bus, verify: async () => verify() };
    this.#recovery = openRecovery({ ...admits, surroundings, edge: process.name, keepMs: KEEP_MS, requestTimeoutMs: 2000 }).recovery;
  }

  /** @param query `pid` and `offset` of the session that the client wants to resume, if any */
  open(wire: SimulatedWire, { pid, offset }: Readonly<Record<string, string>>, opened: (session: Opened) => void): void {
    this.#count += 1;
    const own = `${this.#process.name}.${this.#count}`;
    if (pid === undefined || offset === undefined) {
      this.#begin(wire, own, own, undefined);
      opened({ pid: own });
      return;
    }
    void this.#recovery.restore(pid, offset).then((restored) => {
      if (wire.isOver) return;
      const recovered = restored?.data.recovered;
      if (restored === null || recovered === undefined) {
        this.#begin(wire, own, own, undefined);
        opened({ pid: own });
        return;
      }
      // The client learns of the recovery before the first packet that it missed.
      opened({ pid, recovered: true });
      this.#begin(wire, pid, restored.sid, recovered);
    });
  }

  #begin(
    wire: SimulatedWire,
    pid: string,
    sid: string,
    recovered: { readonly credential: unknown; readonly restored: unknown } | undefined,
  ): void {
    const opening = { path: '/', query: { recovery: 'true' }, address: 'a' };
    const handler = this.#driver.open(
      wire,
      recovered === undefined ? { ...opening, credential: undefined } : { ...opening, credential: verify(), restored: recovered.restored },
    );
    let parting: (() => unknown) | undefined = () => handler.parting?.();
    const ended = this.#recovery.opened(pid, {
      sid,
      part: () => {
        const state = parting?.();
        parting = undefined;
        if (wire.isOver) handler.gone(1006);
        else wire.drop();
        return state;
      },
    });
    wire.opened(
      overText(handler, () => {
        if (parting !== undefined) this.#recovery.persist({ sid, pid, data: { parting } });
        ended();
      }),
    );
  }
}

/** Encodes messages for the simulated wire. */
function overText(handler: WireHandler<SagaRaw>, ended: () => void): WireHandler<string> {
  return {
    message: (text, bytes) => handler.message(JSON.parse(text), bytes),
    unreadable: (problem, bytes) => handler.unreadable(problem, bytes),
    ping: () => handler.ping(),
    pong: (payload) => handler.pong(payload),
    drained: () => handler.drained(),
    closing: () => handler.closing(),
    gone: (code) => {
      ended();
      handler.gone(code);
    },
  };
}
