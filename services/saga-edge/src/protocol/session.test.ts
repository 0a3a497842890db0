import assert from 'node:assert/strict';
import { test } from 'node:test';
import { accountsGet } from '@polyedge/contracts/bus/accounts';
import { done } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Effect, Input, Opening, Session } from '@polyedge/session/session';
import fc from 'fast-check';
import { decode, encode, type SagaFrame, type SagaOut } from './codec.ts';
import { SEED_ROLES } from './permissions.ts';
import { openSaga } from './session.ts';

const opening: Opening = { credential: undefined, path: '/', query: {}, address: 'a', nonce: 'f'.repeat(32), at: 1_000_000 };
const principal: Principal = {
  account: 'u1',
  tenant: 'acme',
  username: 'ann',
  app: 'saga',
  roles: {},
  defaultScope: 's',
  scopes: [],
  session: 's',
  issuedAt: 0,
  expiresAt: 2_000_000,
};
const settings = {
  authTimeoutMs: 5000,
  legacyMessages: true,
  selfAccess: true,
  disconnectOnTokenExpiry: true,
  maxJoins: 5,
  maxWaiting: 50,
  maxInFlight: 64,
  rolesOf: () => SEED_ROLES,
};
const account = {
  id: 'u1',
  tenant: 'acme',
  username: 'ann',
  roles: { saga: ['Admin'] },
  defaultScope: 's',
  scopes: [],
  disabled: false,
  attributes: {},
};
const stamp = { on: 1, by: 'a', app: 'a' };
const element = (id: string, type: string) => ({
  ...{ tenant: 'acme', id, kind: 'vertex' as const, type, scope: 's', attributes: {}, version: 1, seq: 3, created: stamp, modified: stamp },
  deleted: false,
});

/** A session with everything it asks for answered at once, as if all were well. */
class World {
  readonly session: Session<SagaFrame, SagaOut>;
  readonly sent: SagaOut[] = [];
  ended = false;
  #at = opening.at;

  constructor() {
    const [session] = openSaga(opening, settings);
    this.session = session;
  }

  give(input: Input<SagaFrame>): void {
    const inputs = [input];
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      this.#at += 1;
      for (const effect of this.session.handle(next, this.#at)) inputs.push(...this.#answer(effect));
    }
  }

  frame(event: string, payload: unknown, ack?: number): void {
    const decoded = decode({ kind: 'event', event, args: [payload], ...(ack === undefined ? {} : { ack }) });
    assert.ok(decoded.ok);
    this.give({ kind: 'frame', frame: decoded.value });
  }

  #answer(effect: Effect<SagaOut>): readonly Input<SagaFrame>[] {
    switch (effect.do) {
      case 'send':
        encode(effect.frame);
        this.sent.push(effect.frame);
        return [];
      case 'authenticate':
        return [{ kind: 'authenticated', id: effect.id, outcome: done(principal) }];
      case 'request': {
        const { body } = effect.call;
        const ids = typeof body === 'object' && body !== null && 'ids' in body && Array.isArray(body.ids) ? body.ids : [];
        if (effect.call.channel.address === accountsGet.address)
          return [{ kind: 'reply', id: effect.id, outcome: done({ accounts: [account] }) }];
        const elements = ids.map((id) => element(String(id), String(id).startsWith('b') ? 'saga/Bot' : 'saga/User'));
        return [{ kind: 'reply', id: effect.id, outcome: done({ epoch: 'e', seq: 3, elements }) }];
      }
      case 'mutate': {
        const operations = effect.request.operations.map((_, at) => ({ elements: [element(`x${at}`, 'saga/Property')] }));
        return [{ kind: 'written', id: effect.id, outcome: done({ first: 4, last: 4, operations }) }];
      }
      case 'subscribe':
        return [{ kind: 'subscribed', id: effect.id, seq: 3, epoch: 'e' }];
      case 'close':
      case 'drop':
        this.ended = true;
        return [];
      default:
        return [];
    }
  }
}

const words = fc.constantFrom(
  ...['/users/join', '/users/leave', '/bots/join', '/globals/join', '/scripts/versions/join', '/npm_packages/join', '/users/properties'],
  ...[
    '/users/properties/incr',
    '/bots/properties/hset',
    '/globals/properties/hincr',
    '/users/message',
    '/bots/signals',
    '/nothing',
    'x',
    '',
  ],
  ...['/users/properties/incr/more', '/__proto__/join', '/constructor/properties'],
);
const payloads = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.record({ parent_id: fc.constantFrom('u1', 'b1'), name: fc.string(), key: fc.string(), value: fc.jsonValue({ maxDepth: 2 }) }),
  fc.constantFrom(undefined, 'u1', 'b1', { id: 'b2' }),
);

test('saga:6 whatever a client sends, every message that wants an answer gets exactly one, and nothing throws', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(words, payloads), { maxLength: 30 }), (messages) => {
      const world = new World();
      world.frame('authentication', { accessToken: 't' }, 0);
      for (const [at, [event, payload]] of messages.entries()) world.frame(event, payload, at + 1);
      assert.ok(!world.ended);
      const acks = world.sent.flatMap((frame) => ('ack' in frame ? [frame.ack] : []));
      assert.deepEqual(
        acks.sort((one, other) => one - other),
        [0, ...messages.map((_, at) => at + 1)],
      );
      for (const frame of world.sent) {
        if ('ack' in frame && frame.status !== 200)
          assert.ok(typeof frame.body === 'object' && frame.body !== null && 'name' in frame.body);
      }
    }),
  );
});

test('saga:6 decoding never throws', () => {
  fc.assert(
    fc.property(fc.string(), fc.array(fc.anything(), { maxLength: 3 }), fc.option(fc.nat(), { nil: undefined }), (event, args, ack) => {
      const decoded = decode({ kind: 'event', event, args, ...(ack === undefined ? {} : { ack }) });
      assert.ok(decoded.ok);
      assert.equal(decoded.value.ack, ack);
    }),
  );
});

test('saga:3 a token that ends takes its socket along where that is wished', () => {
  const world = new World();
  world.frame('authentication', { accessToken: 't' }, 0);
  assert.equal(world.session.handle({ kind: 'timer', name: 'expiry' }, principal.expiresAt - 5)[0]?.do, 'set-timer');
  assert.deepEqual(
    world.session.handle({ kind: 'timer', name: 'expiry' }, principal.expiresAt).map((effect) => effect.do),
    ['send', 'close'],
  );
});
