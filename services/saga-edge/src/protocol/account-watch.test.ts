import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Account, accountsGet } from '@polyedge/contracts/bus/accounts';
import { done, failed } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { Effect, Input } from '@polyedge/session/session';
import { decode, type SagaFrame, type SagaOut } from './codec.ts';
import { type Role, SEED_ROLES } from './permissions.ts';
import { openSaga } from './session.ts';

const principal: Principal = {
  ...{ account: 'u1', tenant: 'acme', username: 'ann', app: 'saga', roles: {}, defaultScope: 's', scopes: [], session: 's' },
  ...{ issuedAt: 0, expiresAt: 2_000_000_000 },
};
const accountWith = (...roles: string[]): Account => ({
  ...{ id: 'u1', tenant: 'acme', username: 'ann', roles: {}, defaultScope: 's', scopes: [], disabled: false },
  attributes: { saga: { roles } },
});
const changed = (id: string): Input<SagaFrame> => ({ kind: 'message', id: 'accounts', body: { id, seq: 1 } });

/** A socket of `u1`; the test answers when its account is read, the rest is answered at once. */
class Scene {
  roles: readonly Role[] = SEED_ROLES;
  /** Ids of the reads of its account that are not answered yet. */
  readonly reads: string[] = [];
  /** When each timer is due. */
  readonly timers = new Map<string, number>();
  readonly sent: SagaOut[] = [];
  readonly subscriptions = new Set<string>();
  at = 1_000_000;
  readonly #session;

  constructor() {
    const settings = {
      ...{ authTimeoutMs: 0, legacyMessages: false, selfAccess: true, disconnectOnTokenExpiry: false },
      ...{ maxJoins: 5, maxWaiting: 50, maxInFlight: 64, rolesOf: () => this.roles },
    };
    const opening = { credential: undefined, path: '/', query: {}, address: 'a', nonce: 'f'.repeat(32), at: this.at };
    [this.#session] = openSaga(opening, settings);
  }

  give(...inputs: Input<SagaFrame>[]): void {
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) {
      for (const effect of this.#session.handle(next, this.at)) inputs.push(...this.#answer(effect));
    }
  }

  send(event: string, payload: unknown): void {
    const decoded = decode({ kind: 'event', event, args: [payload], ack: 1 });
    assert.ok(decoded.ok);
    this.give({ kind: 'frame', frame: decoded.value });
  }

  /** Answers the oldest read. */
  read(account: Account | undefined): void {
    const id = this.reads.shift() ?? assert.fail('its account was not read');
    this.give({ kind: 'reply', id, outcome: account === undefined ? failed('unavailable') : done({ accounts: [account] }) });
  }

  /** Passes time; timers that are due fire. */
  pass(ms: number): void {
    const end = this.at + ms;
    for (;;) {
      const [next] = [...this.timers].filter(([, due]) => due <= end).sort(([, one], [, other]) => one - other);
      if (next === undefined) break;
      this.timers.delete(next[0]);
      this.at = next[1];
      this.give({ kind: 'timer', name: next[0] });
    }
    this.at = end;
  }

  get status(): unknown {
    const last = this.sent.at(-1);
    return last !== undefined && 'status' in last ? last.status : last;
  }

  #answer(effect: Effect<SagaOut>): readonly Input<SagaFrame>[] {
    switch (effect.do) {
      case 'send':
        this.sent.push(effect.frame);
        return [];
      case 'authenticate':
        return [{ kind: 'authenticated', id: effect.id, outcome: done(principal) }];
      case 'request': {
        if (effect.call.channel.address === accountsGet.address) {
          this.reads.push(effect.id);
          return [];
        }
        const stamp = { on: 1, by: 'a', app: 'a' };
        const bot = {
          ...{ tenant: 'acme', id: 'b1', kind: 'vertex', type: 'saga/Bot', scope: 's', attributes: {}, version: 1, seq: 3 },
          ...{ created: stamp, modified: stamp, deleted: false },
        };
        return [{ kind: 'reply', id: effect.id, outcome: done({ epoch: 'e', seq: 3, elements: [bot] }) }];
      }
      case 'subscribe':
        this.subscriptions.add(effect.id);
        return [{ kind: 'subscribed', id: effect.id, seq: 3, epoch: 'e' }];
      case 'unsubscribe':
        this.subscriptions.delete(effect.id);
        return [];
      case 'set-timer':
        this.timers.set(effect.name, this.at + effect.ms);
        return [];
      default:
        return [];
    }
  }
}

/** An authenticated socket. */
function open(...roles: string[]): Scene {
  const scene = new Scene();
  scene.send('authentication', { accessToken: 't' });
  scene.read(accountWith(...roles));
  assert.equal(scene.status, 200);
  return scene;
}

test('saga:15 a right that is taken while a socket authenticates is not there afterwards', () => {
  const scene = new Scene();
  scene.send('authentication', { accessToken: 't' });
  // The directory has answered, and its answer is overtaken by the change.
  scene.give(changed('u1'));
  scene.read(accountWith('Admin'));
  while (scene.reads.length > 0) scene.read(accountWith());
  scene.send('/bots/join', 'b1');
  assert.equal(scene.status, 403);
});

test('saga:15 an account that cannot be read after its change is read again until it can', () => {
  const scene = open('Admin');
  scene.send('/bots/join', 'b1');
  assert.equal(scene.status, 200);
  scene.give(changed('u1'));
  scene.read(undefined);
  scene.pass(1000);
  scene.read(undefined);
  scene.pass(1000);
  scene.read(accountWith());
  assert.equal(scene.subscriptions.size, 0, 'it has left the room');
  scene.send('/bots/join', 'b1');
  assert.equal(scene.status, 403);
});

test('saga:15 a role that changes ends rooms within a second also while other accounts change all the time', () => {
  const scene = open('User');
  scene.send('/bots/join', 'b1');
  assert.equal(scene.status, 200);
  for (let at = 0; at < 20; at += 1) {
    scene.give(changed(`other${at}`));
    scene.pass(100);
  }
  assert.ok(scene.subscriptions.size > 0);
  scene.roles = SEED_ROLES.map((role) => ({ ...role, permissions: [] }));
  for (let at = 0; at < 10; at += 1) {
    scene.give(changed(`another${at}`));
    scene.pass(100);
  }
  assert.equal(scene.subscriptions.size, 0);
});

test('saga:15 a role that is loaded only after rooms were judged for an earlier change is noticed too', () => {
  const scene = open('User');
  scene.send('/bots/join', 'b1');
  scene.give(changed('other'));
  scene.pass(690);
  scene.give(changed('roles'));
  scene.pass(60);
  scene.roles = SEED_ROLES.map((role) => ({ ...role, permissions: [] }));
  scene.pass(650);
  assert.equal(scene.subscriptions.size, 0);
});
