/**
 * One session in a world that is all made up: the store's log, the feed that lags behind it, reads that take their time, a socket whose client
 * pauses, and a clock that jumps. Nothing waits, so thousands of seeds reach what a real system reaches by accident. What the client is told has
 * to make sense at every step, and has to add up to what a fresh read gives as soon as the world holds still.
 */
import assert from 'node:assert/strict';
import type { FullChange } from '@polyedge/contracts/change';
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
import { LiveEventCache } from '../src/protocol/live-event.ts';
import { GoodUncleSession } from '../src/protocol/session.ts';
import type { Answer } from './client.ts';
import { Chance, replay } from './exactness.ts';
import { SimulatedDriver } from './simulated-driver.ts';
import { otherRules, type Reached, STATES, type State, sameRules } from './simulated-states.ts';
import { MadeUpStore, OWN, SCOPE, TENANT } from './simulated-store.ts';
import { agrees, exactNow, lookThrough, randomSubscription, type Sub } from './simulated-subscription.ts';

class World {
  readonly reached = Object.fromEntries(STATES.map((state) => [state, 0])) as Record<State, number>; // all of STATES
  readonly #chance: Chance;
  readonly #session: GoodUncleSession;
  #topics = sameRules();
  #at = 1_700_000_000_000;
  // The store.
  readonly #store: MadeUpStore;
  /** How much of the log the session has been given. */
  #fed = 0;
  #cut = false;
  readonly #driver: SimulatedDriver;
  #paused = false;
  // The client.
  readonly #subs: Sub[] = [];
  #names = 0;
  #customer = false;
  /** How often the account's logins were revoked. */
  #revoked = 0;
  #reruled = false;

  constructor(chance: Chance) {
    this.#chance = chance;
    this.#store = new MadeUpStore(chance, { ids: 10 + chance.below(40), mortality: 2 + chance.below(4) });
    this.#driver = new SimulatedDriver({
      subs: this.#subs,
      newestSeq: () => this.#store.log.length,
      revoked: () => this.#revoked,
      reach: (state) => this.#reach(state),
    });
    this.#session = new GoodUncleSession(
      {
        tenant: TENANT,
        scope: () => SCOPE,
        topics: () => this.#topics,
        instance: 'simulated',
        requestsPerSecond: 1e6,
        requestBurst: 1e6,
        maxSubscriptions: 100,
        redact: true,
        onDowngrade: 'keep',
        liveEvents: new LiveEventCache(),
      },
      { nonce: '00'.repeat(16), address: 'a', at: this.#at },
    );
  }

  /** So many random steps; then the world holds still, and every subscription is what a read gives. */
  run(steps: number): void {
    // Each run likes some things more than others, or it would never get far in any.
    const below = (limit: number): number => this.#chance.below(limit);
    const likes = { pause: 1 + below(6), write: 5 + below(20), cut: below(3), answer: 1 + below(8) };
    for (let at = below(60); at > 0; at -= 1) this.#store.commit();
    this.#fed = this.#store.log.length;
    this.#upgrade();
    for (let step = 0; step < steps; step += 1) {
      this.#step(likes);
      this.#settle();
    }
    if (below(12) === 0) this.#flood();
    this.#holdStill();
    for (const sub of this.#subs) {
      exactNow(sub, this.#store);
      agrees(sub, this.#store.rows.values());
    }
  }

  #step(likes: { readonly pause: number; readonly write: number; readonly cut: number; readonly answer: number }): void {
    const below = (limit: number): number => this.#chance.below(limit);
    this.#at += below(4) === 0 ? below(60) : below(3);
    const actions: readonly (readonly [share: number, action: () => void])[] = [
      [likes.write, () => this.#store.commit()],
      [14, () => this.#feed(1 + below(8))],
      [likes.answer, () => this.#look()],
      [likes.answer, () => this.#hear()],
      [4, () => this.#race()],
      [6, () => this.#read(1 + below(6))],
      [likes.pause, () => this.#pause(below(4) !== 0)],
      [likes.cut, () => this.#toggleCut(below(3) === 0)],
      [14, () => this.#subscribe()],
      [3, () => this.#unsubscribe()],
      [1, () => this.#rule(below(4) !== 0)],
      [0.3, () => this.#revoke()],
      [10, () => this.#wait(below(200))],
    ];
    let pick = below(1000) * (actions.reduce((sum, [share]) => sum + share, 0) / 1000);
    for (const [share, action] of actions) {
      pick -= share;
      if (pick >= 0) continue;
      action();
      return;
    }
  }

  /** An answer is made, and changes overtake it. */
  #race(): void {
    this.#look();
    for (let left = this.#chance.below(4); left > 0; left -= 1) this.#store.commit();
    this.#feed(100);
    this.#hear();
  }

  #pause(paused: boolean): void {
    this.#paused = paused;
  }

  #wait(ms: number): void {
    this.#at += ms;
  }

  // ---- the feed and the bus

  #feed(count: number): void {
    if (this.#cut) return;
    for (const watch of this.#driver.watches.values()) {
      if (watch.from !== undefined || this.#chance.below(2) === 0) continue;
      watch.from = this.#fed;
      const { sub } = watch;
      if (!sub.initial && sub.limit === undefined) sub.base = this.#store.matchingAt(this.#fed, sub.where).map(({ id }) => id);
      this.#driver.inputs.push({ kind: 'subscribed', id: watch.sub.key, seq: this.#fed, epoch: 'e' });
    }
    for (let left = count; left > 0 && this.#fed < this.#store.log.length; left -= 1) {
      const change = this.#store.log[this.#fed];
      this.#fed += 1;
      if (change === undefined) break;
      for (const { sub, from } of this.#driver.watches.values()) {
        if (from === undefined || from >= change.seq) continue;
        const { state } = change;
        const before = change.undo.fresh === true ? undefined : { ...state, ...change.undo, attributes: change.undo.set };
        const match = {
          before: before as Element | undefined,
          was: before !== undefined && sub.where(before as Element),
          is: sub.where(state),
        }; // an element but for what was never shown
        if (!match.was && !match.is) continue;
        this.#note(sub, change);
        this.#driver.inputs.push({ kind: 'event', id: sub.key, change, match });
      }
      this.#settle();
    }
  }

  /** The store works on what was asked. */
  #look(): void {
    if (this.#cut) return;
    for (const read of this.#driver.reads) {
      if (read.reply !== undefined || this.#chance.below(2) === 0) continue;
      read.reply = this.#store.found(read.sub.where, read.sort, read.limit);
    }
  }

  /** Answers arrive. */
  #hear(): void {
    if (this.#cut) return;
    for (const read of [...this.#driver.reads]) {
      const { reply } = read;
      if (reply === undefined || this.#chance.below(3) === 0) continue;
      this.#driver.reads.splice(this.#driver.reads.indexOf(read), 1);
      if (read.again && reply.seq < this.#fed) this.#reach('answer older than what was heard');
      if (read.again && reply.seq > this.#fed) this.#reach('answer newer than what was heard');
      const { sub } = read;
      if (!read.again && !sub.initial) sub.base = reply.rows.slice(0, sub.limit).map(({ id }) => id);
      if (!read.again && this.#driver.isCongested) this.#reach('snapshot while congested');
      const value = { epoch: 'e', seq: reply.seq, elements: [...reply.rows], ...(reply.more ? { cursor: 'c' } : {}) };
      this.#driver.inputs.push({ kind: 'reply', id: read.id, outcome: { ok: true, value } });
      this.#settle();
    }
  }

  #toggleCut(fail: boolean): void {
    this.#cut = !this.#cut;
    if (!this.#cut) return;
    if (this.#driver.reads.length > 0) this.#reach('cut off while rows are read');
    if (this.#driver.isCongested) this.#reach('cut off while congested');
    const read = this.#driver.reads.find(({ again }) => again) ?? this.#driver.reads[0];
    if (!fail || read === undefined) return;
    this.#reach('read failed');
    if (!read.again) read.sub.mayFail = true;
    this.#driver.reads.splice(this.#driver.reads.indexOf(read), 1);
    this.#driver.inputs.push({ kind: 'reply', id: read.id, outcome: { ok: false, failure: { code: 'unavailable' } } });
  }

  // ---- what the client does

  #ask(request: JsonObject): void {
    this.#driver.inputs.push({ kind: 'frame', frame: { payload: request, text: JSON.stringify(request) } });
  }

  #upgrade(): void {
    this.#customer = true;
    this.#ask({ type: 'upgrade', token: 'a.b.c' });
    this.#settle();
  }

  #subscribe(): void {
    if (this.#subs.filter((sub) => !sub.ended && !sub.unsubscribed).length >= 12) return;
    this.#names += 1;
    const [sub, request] = randomSubscription(this.#chance, `s${this.#names}`, this.#customer);
    this.#subs.push(sub);
    this.#ask(request);
  }

  #unsubscribe(): void {
    const sub = this.#chance.of(this.#subs.filter((one) => !one.unsubscribed && !one.ended));
    if (sub === undefined) return;
    if (this.#reads(sub)) this.#reach('unsubscribed while rows are read');
    sub.unsubscribed = true;
    this.#ask({ type: 'unsubscribe', subscription: sub.name, ref: `un${sub.name}` });
  }

  /** The file with the rules is read again. */
  #rule(same: boolean): void {
    if (this.#driver.reads.length > 0) this.#reach('other rules while rows are read');
    if (this.#driver.isCongested) this.#reach('other rules while congested');
    this.#topics = same ? sameRules() : otherRules();
    this.#reruled ||= !same;
    if (!same) {
      this.#driver.inputs.push({ kind: 'timer', name: 'rules' });
      this.#settle();
      this.#topics = sameRules();
    }
  }

  #revoke(): void {
    if (!this.#customer) return;
    if (this.#driver.reads.some(({ sub }) => sub.topic === 'orders')) this.#reach('roles withdrawn while rows are read');
    this.#revoked += 1;
    this.#driver.inputs.push({ kind: 'message', id: 'revoked', body: { account: OWN, before: this.#revoked * 10 - 5 } });
    this.#settle();
    this.#upgrade();
  }

  /** More different rows than are kept for a client that does not read. */
  #flood(): void {
    this.#cut = false;
    this.#paused = true;
    for (let at = 0; at < 14; at += 1) {
      this.#store.commit(true);
      this.#feed(1000);
    }
  }

  #read(frames: number): void {
    if (this.#paused) return;
    for (const text of this.#driver.take(frames)) this.#take(JSON.parse(text) as Answer); // the session made it
    this.#settle();
  }

  #take(answer: Answer): void {
    const { ref } = answer.request.payload as { readonly ref?: string };
    const gone = ref?.startsWith('un') === true ? this.#subs.find((sub) => `un${sub.ref}` === ref) : undefined;
    if (gone !== undefined) gone.ended = true;
    const sub = this.#subs.find((one) => one.ref === ref);
    if (sub === undefined) return;
    assert.ok(!sub.ended, `${sub.name}: nothing follows its end`);
    const { response } = answer;
    if (response.code === 'ok') {
      lookThrough(sub, answer);
      if (response.version !== sub.answers.at(-1)?.response.version) exactNow(sub, this.#store);
      sub.answers.push(answer);
      replay(sub, sub.sort !== undefined, { base: sub.base, limit: sub.limit });
      return;
    }
    assert.equal(response.last, true);
    sub.ended = true;
    const reason = response.errors[0]?.reason;
    if (reason === 'overflow') this.#reach('overflow');
    else if (reason === 'internal') assert.ok(sub.mayFail, 'its first rows could be read');
    else assert.ok(reason === 'revoked' && sub.topic === 'orders' && (this.#revoked > 0 || this.#reruled), JSON.stringify(response));
  }

  // ---- the driver

  #reads(sub: Sub): boolean {
    return this.#driver.reads.some((read) => read.sub === sub);
  }

  #reach(state: State): void {
    this.reached[state] += 1;
  }

  /** What a change says about the states that this run is in. */
  #note(sub: Sub, { id, state, undo }: FullChange): void {
    if (!this.#driver.isCongested) {
      sub.held.clear();
      return;
    }
    if (sub.limit !== undefined) this.#reach('congested window');
    if (sub.throttle > 0) this.#reach('congested throttle');
    if (sub.answers.length > 0 && this.#reads(sub)) this.#reach('congested while more rows are read');
    if (sub.limit !== undefined && !sub.initial) this.#reach('initial:false with limit');
    const known = sub.held.get(id);
    if (known === 'left' && sub.where(state) && !state.deleted) this.#reach('left and came back while held back');
    if (known === 'deleted' && undo.deleted) this.#reach('deleted and made again while held back');
    sub.held.set(id, state.deleted ? 'deleted' : sub.where(state) ? 'other' : 'left');
    if (sub.limit !== undefined && sub.held.size > 1) this.#reach('positions after merging');
  }

  /** Everything that can happen without anybody's doing. */
  #settle(): void {
    for (;;) {
      const input = this.#driver.next(this.#at, this.#fed);
      if (input === undefined) return;
      for (const effect of this.#session.handle(input, this.#at)) this.#driver.perform(effect, this.#at);
    }
  }

  // ---- the end

  #holdStill(): void {
    this.#cut = false;
    this.#paused = false;
    for (let round = 0; round < 2000; round += 1) {
      this.#feed(1000);
      this.#look();
      this.#hear();
      this.#read(1000);
      this.#at += 50;
      this.#settle();
      const rest = [...this.#driver.watches.values()].some(({ from }) => from === undefined);
      if (
        !rest &&
        !this.#driver.isTimed &&
        this.#fed === this.#store.log.length &&
        this.#driver.reads.length === 0 &&
        this.#driver.outbox.length === 0
      )
        return;
    }
    assert.fail('the world never holds still');
  }
}

/** One seed. @returns which states it was in, and how often */
export function simulate(seed: number, steps: number): Reached {
  const world = new World(new Chance(seed));
  try {
    world.run(steps);
  } catch (error) {
    throw new Error(`simulated under seed ${seed} in ${steps} steps: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  return world.reached;
}
