/**
 * A writer like one socket of an edge: pipelined writes through the kit's `Writes`, with its batches, retries and operation ids.
 * It records the outcome of each write.
 */
import { randomBytes } from 'node:crypto';
import type { MutationResult, Operation } from '@polyedge/contracts/bus/graph';
import type { Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import { Writes } from '@polyedge/edge-kit/driver/writes';
import { systemClock, Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';
import type { Random } from './random.ts';

export const TENANT = 'default';
export const COUNTERS = ['counter-0', 'counter-1', 'counter-2'] as const;

/** Writes in flight. */
const PIPELINED = 8;
/** The pause between an answer and the next write: the test is about faults, not about load. */
const PAUSE_MS = 5;

/** The outcome of one write. `unknown`: not determined within the driver's time; it may or may not exist. */
export interface Told {
  readonly operationId: string;
  readonly writer: number;
  /** Counts the writer's writes. */
  readonly n: number;
  readonly what: 'create' | 'note' | 'count' | 'connect' | 'delete';
  readonly counter?: string;
  readonly outcome: 'done' | 'refused' | 'unknown';
  readonly code?: string;
  readonly first: number;
  readonly last: number;
}

export class Writer {
  readonly told: Told[] = [];
  readonly #index: number;
  readonly #random: Random;
  readonly #writes: Writes;
  readonly #tenant: string;
  readonly #waiting = new Map<string, (outcome: Outcome<MutationResult>) => void>();
  #n = 0;
  #running = false;
  #lanes: Promise<void>[] = [];

  constructor(index: number, bus: Bus, random: Random, tenant = TENANT) {
    this.#tenant = tenant;
    this.#index = index;
    this.#random = random;
    this.#writes = new Writes(bus, new Wheel(systemClock), ({ write, outcome }) => this.#waiting.get(write.id)?.(outcome));
  }

  /** The id of the element that only this writer writes, with the number of the write in it. */
  get noteId(): string {
    return `note-${this.#index}`;
  }

  start(): void {
    this.#running = true;
    this.#lanes = Array.from({ length: PIPELINED }, () => this.#lane());
  }

  /** Resolves when every write under way was answered. */
  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all(this.#lanes);
  }

  async #lane(): Promise<void> {
    while (this.#running) {
      await this.#write();
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  async #write(): Promise<void> {
    const n = this.#n;
    this.#n += 1;
    const what = n === 0 ? 'note' : this.#random.pick(['create', 'note', 'note', 'count', 'count', 'connect', 'delete'] as const);
    const counter = what === 'count' ? this.#random.pick(COUNTERS) : undefined;
    const id = operationId(Date.now(), randomBytes(10));
    const outcome = await new Promise<Outcome<MutationResult>>((resolve) => {
      this.#waiting.set(id, resolve);
      const origin = { protocol: 'test', way: 'socket' as const, operation: what };
      const request = { operationId: id, by: `writer-${this.#index}`, app: 'kill', origin, operations: this.#operations(what, n, counter) };
      this.#writes.add({ id, tenant: this.#tenant, defaultScope: 'scope', request, own: 'any' });
    });
    this.#waiting.delete(id);
    const common = { operationId: id, writer: this.#index, n, what, ...(counter === undefined ? {} : { counter }) };
    if (outcome.ok) this.told.push({ ...common, outcome: 'done', first: outcome.value.first, last: outcome.value.last });
    else {
      const { code } = outcome.failure;
      this.told.push({ ...common, outcome: code === 'unavailable' ? 'unknown' : 'refused', code, first: 0, last: 0 });
    }
  }

  #operations(what: Told['what'], n: number, counter: string | undefined): Operation[] {
    const own = `made-${this.#index}-${n}`;
    switch (what) {
      case 'create':
        return [{ op: 'create', type: 'test/Made', id: own, attributes: { n, text: 'x'.repeat(this.#random.integer(0, 200)) } }];
      case 'note': {
        const missing = { type: 'test/Note', id: this.noteId, attributes: { n } };
        return [{ op: 'update', target: { id: this.noteId }, set: { n }, ifMissing: missing }];
      }
      case 'count': {
        const missing = { type: 'test/Counter', id: counter ?? '', attributes: { value: 0 } };
        return [{ op: 'apply', target: { id: counter ?? '' }, attribute: 'value', operator: 'incr', value: 1, ifMissing: missing }];
      }
      case 'connect':
        // All or nothing: two vertices and the edge between them.
        return [
          { op: 'create', type: 'test/Made', id: `${own}a`, attributes: { n } },
          { op: 'create', type: 'test/Made', id: `${own}b`, attributes: { n } },
          { op: 'connect', out: `${own}a`, verb: 'test/knows', in: `${own}b` },
        ];
      case 'delete':
        return [
          { op: 'create', type: 'test/Gone', id: own, attributes: { n } },
          { op: 'delete', target: { id: own } },
        ];
    }
  }
}
