/**
 * The publisher: one replica at a time tells the journal to NATS in the order of seq, followed by heads that let every edge see what it
 * should have received (docs/architecture.md, "The feed"). It works from memory where it can and from PostgreSQL where it must, and keeps
 * telling that it is alive. Repeats are harmless, since rows never change and edges deliver by seq; a gap would not be.
 */

import { setTimeout as setTimeoutPromise } from 'node:timers/promises';
import { accountsChanged } from '@polyedge/contracts/bus/accounts';
import { graphChanged, graphCommitted, graphHead } from '@polyedge/contracts/bus/feed';
import type { FullChange } from '@polyedge/contracts/change';
import { SYSTEM_SCOPE } from '@polyedge/contracts/element';
import { keysOf } from '@polyedge/contracts/interest';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';
import type { Journal } from '../postgres/journal.ts';
import type { Held, Lease } from '../postgres/lease.ts';
import type { Traces } from '../traces.ts';
import type { Recent, RecentChanges } from './recent.ts';

/** Changes in one run: what is published between two looks at the lease and at the clock. */
const RUN_CHANGES = 500;
const RUN_BYTES = 1024 * 1024;
/** Changes read from PostgreSQL at once. */
const READ_CHANGES = 1000;
const RENEW_MS = 1000;
/** A head comes at least this often, so that edges can tell silence from loss. */
const IDLE_HEAD_MS = 1000;
const POLL_MS = 500;
const POLL_BEHIND_MS = 50;
const FLUSH_MS = 2000;
/** How long a publisher that gave its lease back leaves it to others. */
const GIVEN_BACK_MS = 2000;

export interface PublisherOptions {
  readonly bus: Bus;
  readonly journal: Journal;
  readonly recent: RecentChanges;
  readonly lease: Lease;
  readonly log: Log;
  /** Undefined when tracing is off. */
  readonly traces: Traces | undefined;
  /** Called when this replica became the publisher, before it publishes: settles the epoch. */
  readonly settle: () => Promise<string>;
  /** What else the holder of the lease does, told of every published change in order; starts after `settle`. */
  readonly onTaken?: (fence: number, epoch: string) => void;
  readonly onReleased?: () => void;
  /** A commit was heard of. */
  readonly onHeard?: () => void;
}

/** Counters for metrics. */
export interface PublisherStats {
  published: number;
  references: number;
  refused: number;
  readsFromJournal: number;
  taken: number;
  lagMs: number;
  publishing: boolean;
}

export class Publisher {
  readonly stats: PublisherStats = { published: 0, references: 0, refused: 0, readsFromJournal: 0, taken: 0, lagMs: 0, publishing: false };
  readonly #options: PublisherOptions;
  readonly #stop = new AbortController();
  /** Everything up to here was handed to NATS by this holder. */
  #cursor = 0;
  /** The newest commit heard of. */
  #known = 0;
  /** Everything up to here has reached the NATS server. */
  #flushed = 0;
  /** The epoch has to be looked at again. */
  #unsettled = false;
  #epoch = '';
  #wake: () => void = () => {};
  #woken = false;
  #running: Promise<void> | undefined;
  #signals: Subscription | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#signals = this.#options.bus.subscribe(graphCommitted, graphCommitted.pattern({}), ({ seq }) => this.#hear(seq));
    this.#running = this.#live();
  }

  /** A batch of this replica was committed. */
  committed(changes: readonly FullChange[], sizes: readonly number[]): void {
    const last = changes.at(-1);
    if (last === undefined) return;
    this.#options.recent.enter(last.epoch);
    this.#options.recent.add(changes, sizes);
    this.#hear(last.seq);
    // Somebody else publishes: tell it now rather than let it find out.
    if (!this.#options.lease.held) this.#options.bus.publish(graphCommitted, {}, { seq: last.seq });
  }

  /** The newest commit that this replica has heard of. */
  get known(): number {
    return this.#known;
  }

  /** Takes the lease anew, and so settles the epoch again: a witness has come back, or the database may be another one. */
  settleAgain(): void {
    this.#unsettled = true;
    this.#wakeUp();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#signals?.unsubscribe();
    this.#wakeUp();
    await this.#running;
  }

  #hear(seq: number): void {
    if (seq > this.#known) this.#known = seq;
    this.#wakeUp();
    this.#options.onHeard?.();
  }

  #wakeUp(): void {
    this.#woken = true;
    this.#wake();
  }

  async #live(): Promise<void> {
    const { bus, lease, log } = this.#options;
    while (!this.#stop.signal.aborted) {
      try {
        const held = bus.status === 'connected' ? await lease.take() : undefined;
        if (held === undefined) {
          await this.#rest(RENEW_MS);
          continue;
        }
        // Who could not reach NATS lets another one try.
        if (!(await this.#publish(held))) await this.#rest(GIVEN_BACK_MS);
      } catch (error) {
        log.warn('publishing was interrupted', { err: error });
        await this.#rest(POLL_MS);
      } finally {
        this.stats.publishing = false;
        this.#options.onReleased?.();
      }
    }
    if ((await bus.flush(FLUSH_MS)).ok) this.#flushed = this.#cursor;
    await lease.release(this.#flushed).catch(() => {});
  }

  /** Publishes until the lease is lost, NATS does not answer, or the service stops. False: NATS did not answer. */
  async #publish(held: Held): Promise<boolean> {
    const { lease, log, journal, bus } = this.#options;
    this.#unsettled = false;
    this.#epoch = await this.#options.settle();
    this.#known = Math.max(await journal.newest(), 0);
    this.#cursor = Math.min(held.publishedSeq, this.#known);
    this.#flushed = this.#cursor;
    this.stats.taken += 1;
    this.stats.publishing = true;
    log.info(`publishes the journal from seq ${this.#cursor + 1} in epoch ${this.#epoch} under fence ${held.fence}`);
    this.#options.onTaken?.(held.fence, this.#epoch);
    let headAt = Number.NEGATIVE_INFINITY;
    let renewed = performance.now();
    let polled = Number.NEGATIVE_INFINITY;
    let renewal: Promise<boolean> | undefined;
    let current = true;
    let reachable = true;
    const renew = async (): Promise<boolean> => {
      const cursor = this.#cursor;
      const flushed = await bus.flush(FLUSH_MS);
      if (!flushed.ok) {
        log.warn('NATS did not answer: the publisher gives its lease back');
        reachable = false;
        return false;
      }
      this.#flushed = cursor;
      return await lease.renew(cursor);
    };
    while (current && lease.held && !this.#unsettled && !this.#stop.signal.aborted) {
      const now = performance.now();
      if (now - renewed >= RENEW_MS && renewal === undefined) {
        renewed = now;
        renewal = renew().catch(() => false);
        void renewal.then((good) => {
          renewal = undefined;
          if (!good) current = false;
          this.#wakeUp();
        });
      }
      const run = await this.#nextRun();
      // The wait may have been long: look at the lease again before acting on it.
      if (!lease.held) break;
      if (run.length > 0) {
        this.#tell(run);
        headAt = performance.now();
        continue;
      }
      if (performance.now() - headAt >= IDLE_HEAD_MS) {
        this.#head(this.#cursor + 1, this.#cursor, []);
        headAt = performance.now();
      }
      const pollMs = this.#known > this.#cursor ? POLL_BEHIND_MS : POLL_MS;
      if (performance.now() - polled >= pollMs) {
        polled = performance.now();
        const newest = await journal.newest();
        if (newest > this.#known) this.#known = newest;
      }
      // What is known to be committed and cannot be read was heard of in another history.
      await this.#sleep(this.#known > this.#cursor ? POLL_BEHIND_MS : Math.min(POLL_MS, IDLE_HEAD_MS));
    }
    await renewal;
    if (!this.#stop.signal.aborted) await lease.release(this.#flushed);
    return reachable;
  }

  /** The changes that follow the cursor: from memory as far as it has them, else from the journal. */
  async #nextRun(): Promise<readonly Recent[]> {
    const { recent, journal } = this.#options;
    if (this.#known <= this.#cursor) return [];
    if (recent.get(this.#cursor + 1) === undefined) {
      this.stats.readsFromJournal += 1;
      const read = await journal.after(this.#cursor, READ_CHANGES);
      // A row is only visible once all before it are: seq follows commit order.
      recent.add(read);
      if (read.length === 0) return [];
    }
    const run: Recent[] = [];
    let bytes = 0;
    for (let seq = this.#cursor + 1; run.length < RUN_CHANGES && bytes < RUN_BYTES; seq += 1) {
      const next = recent.get(seq);
      if (next === undefined) break;
      run.push(next);
      bytes += next.json?.length ?? 0;
    }
    return run;
  }

  #tell(run: readonly Recent[]): void {
    const keys: number[][] = [];
    let last = this.#cursor;
    for (const { change, json } of run) {
      last = change.seq;
      if (change.scope === SYSTEM_SCOPE) {
        const { tenant } = change.state.attributes;
        if (typeof tenant === 'string') this.#options.bus.publish(accountsChanged, { tenant }, { id: change.id, seq: change.seq });
        keys.push([]);
        continue;
      }
      keys.push(keysOf(change));
      const span = this.#options.traces?.publish(change.operationId);
      const body = json ?? this.#reference(change);
      for (const owner of change.owners) {
        const subject = graphChanged.subject({ tenant: change.tenant, type: change.type, owner });
        // A message that NATS would refuse is left out: the head lists its seq, so whoever wants it fetches it.
        if (!this.#options.bus.publishText(subject, body, span?.traceparent)) this.stats.refused += 1;
      }
      span?.end('ok');
    }
    this.stats.published += run.length;
    this.stats.lagMs = Date.now() - (run.at(-1)?.change.on ?? Date.now());
    this.#head(this.#cursor + 1, last, keys);
    this.#cursor = last;
  }

  #reference({ state: _state, undo: _undo, ...rest }: FullChange): string {
    this.stats.references += 1;
    return JSON.stringify(rest);
  }

  #head(from: number, to: number, keys: number[][]): void {
    this.#options.bus.publish(graphHead, {}, { epoch: this.#epoch, fence: this.#options.lease.fence, from, to, keys });
  }

  /** Waits until stopped or the time is over: commits do not hurry it. */
  async #rest(ms: number): Promise<void> {
    await setTimeoutPromise(ms, undefined, { signal: this.#stop.signal }).catch(() => {});
  }

  /** Waits until woken, stopped or the time is over. */
  async #sleep(ms: number): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return;
    }
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
    this.#woken = false;
  }
}
