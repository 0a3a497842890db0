/** The driver of the simulated session: it keeps what the session's effects request, and gives its inputs in a fixed order. */
import assert from 'node:assert/strict';
import type { Element } from '@polyedge/contracts/element';
import type { Principal } from '@polyedge/contracts/principal';
import type { Filter } from '@polyedge/query/filter';
import { compile } from '@polyedge/query/predicate';
import type { Sort } from '@polyedge/query/query';
import type { Effect, Input } from '@polyedge/session/session';
import type { Frame } from '../src/protocol/codec.ts';
import type { State } from './simulated-states.ts';
import { OWN, SCOPE, TENANT } from './simulated-store.ts';
import type { Sub } from './simulated-subscription.ts';

/** Unsent bytes above which the edge merges changes for a slow client. */
const MUCH_BYTES = 256 * 1024;

export interface PendingRead {
  readonly id: string;
  readonly sub: Sub;
  readonly limit: number;
  readonly sort: readonly Sort[];
  readonly again: boolean;
  /** Made by the store, and not delivered yet. */
  reply: { readonly rows: readonly Element[]; readonly more: boolean; readonly seq: number } | undefined;
}

/** What the driver knows of the world. */
interface DriverWorld {
  readonly subs: readonly Sub[];
  /** The end of the log. */
  newestSeq(): number;
  /** How often the account's logins were revoked. */
  revoked(): number;
  reach(state: State): void;
}

export class SimulatedDriver {
  readonly #world: DriverWorld;
  readonly inputs: Input<Frame>[] = [];
  readonly watches = new Map<string, { readonly sub: Sub; from: number | undefined }>();
  readonly reads: PendingRead[] = [];
  readonly #timers = new Map<string, number>();
  /** What `when-delivered` requested. */
  readonly #awaited = new Map<string, { readonly name: string; readonly seq: number }>();
  #flushed: { readonly name: string; readonly bytes: number } | undefined;
  readonly outbox: string[] = [];
  #unsentBytes = 0;

  constructor(world: DriverWorld) {
    this.#world = world;
  }

  get isCongested(): boolean {
    return this.#unsentBytes >= MUCH_BYTES;
  }

  /** Whether a timer runs that ends by itself. */
  get isTimed(): boolean {
    return this.#timers.size > [...this.#timers.keys()].filter((name) => name === 'rules' || name === 'expiry').length;
  }

  /** The client reads so many frames. */
  take(frames: number): readonly string[] {
    const taken = this.outbox.splice(0, frames);
    for (const text of taken) this.#unsentBytes -= text.length;
    return taken;
  }

  /** @param at the time @param fed how much of the log the session has been given */
  next(at: number, fed: number): Input<Frame> | undefined {
    const input = this.inputs.shift();
    if (input !== undefined) return input;
    if (this.#flushed !== undefined && this.#unsentBytes <= this.#flushed.bytes) {
      const { name } = this.#flushed;
      this.#flushed = undefined;
      return { kind: 'timer', name };
    }
    for (const [id, { name, seq }] of this.#awaited) {
      if (fed < seq) continue;
      this.#awaited.delete(id);
      return { kind: 'timer', name };
    }
    for (const [name, due] of this.#timers) {
      if (due > at) continue;
      this.#timers.delete(name);
      return { kind: 'timer', name };
    }
    return undefined;
  }

  perform(effect: Effect<string>, at: number): void {
    const { subs, newestSeq, revoked, reach } = this.#world;
    switch (effect.do) {
      case 'send':
        this.outbox.push(effect.frame);
        this.#unsentBytes += effect.frame.length;
        break;
      case 'subscribe': {
        // Subscriptions are answered in the order in which they were asked for.
        const sub = subs.find((one) => one.key === '');
        assert.ok(sub !== undefined && effect.where !== undefined);
        sub.key = effect.id;
        sub.filter = effect.where;
        sub.where = compile(effect.where);
        this.watches.set(effect.id, { sub, from: undefined });
        break;
      }
      case 'unsubscribe':
        this.watches.delete(effect.id);
        this.#awaited.delete(effect.id);
        break;
      case 'request': {
        const {
          filter,
          limit = 0,
          sort = [],
          atLeast = 0,
        } = effect.call.body as {
          readonly filter: Filter;
          readonly limit?: number;
          readonly sort?: readonly Sort[];
          readonly atLeast?: number;
        }; // a query: logins are by token here
        const sub = subs.find((one) => one.filter === filter);
        assert.ok(sub !== undefined && atLeast <= newestSeq());
        const again = sub.asked;
        sub.asked = true;
        this.reads.push({ id: effect.id, sub, limit, sort, again, reply: undefined });
        assert.ok(this.reads.length <= 4, 'four reads at once');
        if (this.reads.length === 4) reach('more reads than run at once');
        break;
      }
      case 'authenticate': {
        const principal: Principal = {
          ...{ account: OWN, tenant: TENANT, username: OWN, app: 'a', roles: { gooduncle: ['customer'] }, defaultScope: SCOPE },
          ...{ scopes: [], session: 'l', issuedAt: revoked() * 10, expiresAt: Number.MAX_SAFE_INTEGER },
        };
        this.inputs.push({ kind: 'authenticated', id: effect.id, outcome: { ok: true, value: principal } });
        break;
      }
      case 'set-timer':
        this.#timers.set(effect.name, at + effect.ms);
        break;
      case 'clear-timer':
        this.#timers.delete(effect.name);
        break;
      case 'when-flushed':
        this.#flushed = effect;
        break;
      case 'when-delivered':
        assert.ok(effect.seq <= newestSeq());
        this.#awaited.set(effect.id, effect);
        break;
      case 'listen':
      case 'report':
        break;
      default:
        assert.fail(`not expected: ${JSON.stringify(effect)}`);
    }
  }
}
