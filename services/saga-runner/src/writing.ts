/**
 * Writes of runs. Each operation id is derived from the run's cause, the version of the runnable and the write's index in the run: a
 * repeated run writes nothing twice. Concurrent writes are sent together.
 */
import { createHash } from 'node:crypto';
import { graphGet, type MutationRequest, type MutationResult } from '@polyedge/contracts/bus/graph';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { operationId } from '@polyedge/contracts/operation-id';
import { type WriteOutcome, Writes } from '@polyedge/edge-kit/driver/writes';
import type { Wheel } from '@polyedge/edge-kit/wheel';
import type { Bus } from '@polyedge/service-kit/bus';

/** Concurrent write messages of an organization. All writes of a run use the same lane, so they keep their order. */
const LANES = 4;
const DAY_MS = 86_400_000;
export const APP = 'saga-runner';
/** graph-store's detail for a different request with an existing operation id. */
const ANOTHER = 'another request was made under this operation id';

export interface WriteLane {
  readonly tenant: string;
  readonly scope: string;
  readonly lane: string;
  readonly record?: boolean;
}

interface Lanes {
  readonly writes: readonly Writes[];
  /**
   * Records have their own, so that scripts with many log lines do not delay others' writes. All share it, because nothing waits for a
   * single record, and they are sent together.
   */
  readonly records: Writes;
}

export class Writing {
  readonly #bus: Bus;
  readonly #wheel: Wheel;
  /** By organization: a write whose outcome is unknown is repeated for up to a minute, and only its own organization waits for it. */
  readonly #lanes = new Map<string, Lanes>();
  readonly #waiting = new Map<string, (outcome: WriteOutcome) => void>();
  #count = 0;

  constructor(bus: Bus, wheel: Wheel) {
    this.#bus = bus;
    this.#wheel = wheel;
  }

  /** Writes of the same lane keep their order; records have a separate one. */
  write(to: WriteLane, request: MutationRequest): Promise<Outcome<MutationResult>> {
    const { tenant, scope: defaultScope, lane, record = false } = to;
    this.#count += 1;
    const id = String(this.#count);
    return new Promise((resolve) => {
      this.#waiting.set(id, ({ outcome }) => resolve(outcome));
      const { writes, records } = this.#lanesOf(tenant);
      (record ? records : writes[laneOf(lane)])?.add({ id, tenant, defaultScope, request, own: 'any' });
    });
  }

  #lanesOf(tenant: string): Lanes {
    const known = this.#lanes.get(tenant);
    if (known !== undefined) return known;
    const answer = (outcome: WriteOutcome): void => {
      const resolve = this.#waiting.get(outcome.write.id);
      this.#waiting.delete(outcome.write.id);
      resolve?.(outcome);
    };
    const lane = (): Writes => new Writes(this.#bus, this.#wheel, answer);
    const lanes = { writes: Array.from({ length: LANES }, lane), records: lane() };
    this.#lanes.set(tenant, lanes);
    return lanes;
  }

  /**
   * The same for a run that may be repeated: if an earlier attempt wrote something different with this id, that write stands, and the
   * answer is read from the graph.
   * @param reads the elements for the answer, by operation
   */
  async writeOnce(to: WriteLane, request: MutationRequest, reads: readonly (string | undefined)[]): Promise<Outcome<MutationResult>> {
    const outcome = await this.write(to, request);
    if (outcome.ok || outcome.failure.code !== 'conflict' || outcome.failure.detail?.includes(ANOTHER) !== true) return outcome;
    const ids = reads.filter((id) => id !== undefined);
    const subject = graphGet.subject({ tenant: to.tenant });
    const read = ids.length === 0 ? undefined : await this.#bus.request(graphGet, subject, { ids }, { timeoutMs: 5000 });
    if (read?.ok === false) return read;
    const found = new Map(read?.value.elements.flatMap((element) => (element === null ? [] : [[element.id, element]])));
    const operations = reads.map((id) => {
      const element = id === undefined ? undefined : found.get(id);
      return { elements: element === undefined ? [] : [element] };
    });
    return done({ first: 0, last: 0, repeated: true, operations });
  }
}

const laneOf = (lane: string): number => (createHash('md5').update(lane).digest()[0] ?? 0) % LANES;

/** Generates the operation ids of a run's writes. */
export class OperationIds {
  readonly #seed: string;
  readonly #at: number;
  #ordinal = 0;

  /** @param at when it was fired: ids contain a time, so a repeat must use that of the first attempt */
  constructor(seed: string, at: number) {
    this.#seed = seed;
    this.#at = Date.now() - at < DAY_MS ? at : Date.now();
  }

  /** The run is repeated: the same ids are generated again. */
  again(): void {
    this.#ordinal = 0;
  }

  /** The operation id of the next write, and ids for the elements that it creates. */
  next(): { readonly operationId: string; newId(): string } {
    this.#ordinal += 1;
    const digest = createHash('sha256').update(`${this.#seed}\0${this.#ordinal}`).digest();
    let made = 0;
    return {
      operationId: operationId(this.#at, digest),
      newId: () => {
        made += 1;
        return createHash('sha256').update(`${this.#seed}\0${this.#ordinal}\0${made}`).digest('hex').slice(0, 24);
      },
    };
  }
}

export const digestId = (...parts: readonly string[]): string => createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 24);
