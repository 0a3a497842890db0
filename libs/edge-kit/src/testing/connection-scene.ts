/** One connection whose wire, clock, feed and bus are controlled by the test. */
import { graphGet, graphMutate } from '@polyedge/contracts/bus/graph';
import { done, type Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import { trialTold } from '@polyedge/contracts/testing/trial-channels';
import { EVERYTHING } from '@polyedge/query/filter';
import type { Bus } from '@polyedge/service-kit/bus';
import { LocalNetwork } from '@polyedge/service-kit/local-bus';
import { busCall } from '@polyedge/session/call';
import type { Effect, Input, Protocol, View } from '@polyedge/session/session';
import { Driver, type DriverOptions } from '../driver/driver.ts';
import { type Limits, limits } from '../limits.ts';
import { Flusher } from '../transport/outbox.ts';
import { Wheel } from '../wheel.ts';
import { FakeFeed } from './fake-feed.ts';
import { type FakePacket, FakeWire, fakeFraming } from './fake-wire.ts';
import { ManualClock } from './manual-clock.ts';

export const ANN: Principal = {
  account: 'ann',
  tenant: 't',
  username: 'ann',
  app: 'test',
  roles: {},
  defaultScope: 's',
  scopes: [],
  session: 'login1',
  issuedAt: 1000,
  expiresAt: 2_000_000_000_000,
};

export type Handle = (input: Input<string>) => readonly Effect<string>[];

/** The session of these tests: `r1` reads, `w1` writes, any other message is echoed. It sends every input that it receives. */
export const talkative: Handle = (input) => {
  switch (input.kind) {
    case 'frame':
      if (input.frame.startsWith('r')) return [read(input.frame)];
      if (input.frame.startsWith('w')) return [write(input.frame)];
      return [{ do: 'send', frame: input.frame }];
    case 'event':
      return [{ do: 'send', frame: `event ${input.change.seq}` }];
    case 'message':
      return [{ do: 'send', frame: `message ${JSON.stringify(input.body)}` }];
    case 'reply':
    case 'written':
      return [{ do: 'send', frame: `${input.kind} ${input.id} ${input.outcome.ok ? 'ok' : input.outcome.failure.code}` }];
    case 'drain':
      return [];
    default:
      return [{ do: 'send', frame: [input.kind, 'id' in input ? input.id : 'name' in input ? input.name : ''].join(' ') }];
  }
};

export const read = (id: string): Effect<string> => ({ do: 'request', id, call: busCall(graphGet, { tenant: 't' }, { ids: [id] }) });
export const write = (id: string, own: 'events-first' | 'answer-first' | 'any' = 'any'): Effect<string> => ({
  do: 'mutate',
  id,
  tenant: 't',
  defaultScope: 's',
  own,
  request: {
    by: 'ann',
    app: 'test',
    origin: { protocol: 'hiro', way: 'socket', operation: 'create' },
    operations: [{ op: 'create', type: 'ogit/Note', id, attributes: {} }],
  },
});

export interface Scene {
  readonly handle?: Handle;
  readonly first?: readonly Effect<string>[];
  readonly limits?: Partial<Limits>;
  readonly bus?: Bus;
  readonly verify?: DriverOptions<string, string, string, FakePacket>['verify'];
  readonly translate?: (change: { readonly seq: number }, view: View) => string | undefined;
  readonly credential?: Outcome<Principal>;
}

export function setUp(set: Scene = {}) {
  const clock = new ManualClock();
  const wheel = new Wheel(clock);
  const feed = new FakeFeed();
  const due: (() => void)[] = [];
  const protocol: Protocol<string, string, string> = {
    decode: (raw) => (raw === '?' ? { ok: false, problem: 'a question mark' } : { ok: true, value: raw }),
    encode: (frame) => frame,
    translate: set.translate ?? ((change, view) => `${view.shape} ${change.seq}`),
    open: () => [{ handle: set.handle ?? talkative }, set.first ?? []],
  };
  const bus = set.bus ?? new LocalNetwork().connect();
  const driver = new Driver<string, string, string, FakePacket>({
    protocol,
    framing: fakeFraming,
    bus,
    feed,
    limits: limits({ authenticateMs: 0, framesPerSecond: 100_000, ...set.limits }),
    verify: set.verify ?? (() => done(ANN)),
    sharedChannels: [trialTold],
    wheel,
    flusher: new Flusher((run) => due.push(run)),
  });
  const wire = new FakeWire();
  const connection = driver.open(wire, { credential: set.credential ?? done(ANN), path: '/', query: {}, address: '::1' });
  const turn = () => {
    for (const run of due.splice(0)) run();
  };
  return { clock, wheel, feed, driver, bus, wire, connection, turn, say: (text: string) => connection.message(text, text.length) };
}

/** A store that the test answers for. */
export function handStore() {
  const network = new LocalNetwork();
  const store = network.connect();
  const asked: { ids: readonly string[]; operationIds: readonly string[]; answer(outcome: Outcome<never> | number): void }[] = [];
  const reads: { ids: readonly string[]; answer(): void }[] = [];
  store.respond(
    graphMutate,
    (body) =>
      new Promise((resolve) => {
        asked.push({
          ids: body.requests.map(({ operations: [operation] }) => (operation?.op === 'create' ? (operation.id ?? '') : '')),
          operationIds: body.requests.map(({ operationId }) => operationId),
          answer: (outcome) =>
            resolve(
              typeof outcome === 'number'
                ? done({
                    epoch: 'e1',
                    outcomes: body.requests.map((_, at) => ({
                      ok: true as const,
                      value: { first: outcome + at, last: outcome + at, operations: [] },
                    })),
                  })
                : outcome,
            ),
        });
      }),
  );
  store.respond(
    graphGet,
    (body) => new Promise((resolve) => reads.push({ ids: body.ids, answer: () => resolve(done({ epoch: 'e1', seq: 1, elements: [] })) })),
  );
  return { bus: network.connect(), store, asked, reads };
}

export const settle = async () => {
  for (let turns = 0; turns < 8; turns += 1) await new Promise<void>((resolve) => setImmediate(resolve));
};

/** One subscription whose changes the session receives, and one on the broadcaster. */
export const watching: Effect<string>[] = [{ do: 'subscribe', id: 's', to: { tenant: 't' } }];
export const onBroadcaster: Effect<string>[] = [
  { do: 'subscribe', id: 's', to: { tenant: 't' }, view: { filter: EVERYTHING, shape: 'full' } },
];
