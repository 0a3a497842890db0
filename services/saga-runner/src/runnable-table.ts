/**
 * The scripts, jobs and packages of one tenant, as of a seq. The keys in the heads of the live feed show which seqs changed one of them, so
 * between two of those the table stays valid without a request. A trigger is looked up only in a table that is at least as new: a script
 * that was saved before a value was written is fired by it.
 */
import { graphPosition } from '@polyedge/contracts/bus/feed';
import { graphGet, graphQuery } from '@polyedge/contracts/bus/graph';
import type { Element } from '@polyedge/contracts/element';
import { done, type Outcome } from '@polyedge/contracts/errors';
import { interestKey } from '@polyedge/contracts/interest';
import { attribute, both, equal, ofType, TYPES, textOr } from '@polyedge/saga/elements';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import { busOfTenant } from '@polyedge/service-kit/journal-bus';
import { subscribeToHeads } from '@polyedge/service-kit/tenant-heads';
import { type Runnable, runnableOf } from './runnable.ts';

/** Maximum scripts, jobs and packages of a tenant; further ones are ignored. */
const MAX_KNOWN = 10_000;
const KINDS = [TYPES.script, TYPES.job, TYPES.npmPackage];
const TIMEOUT_MS = 5000;

export class RunnableTable {
  readonly tenant: string;
  readonly #bus: Bus;
  readonly #keys: ReadonlySet<number>;
  readonly #heads: Subscription;
  readonly #changed: () => void;
  readonly #runnables = new Map<string, Runnable>();
  #byPath = new Map<string, readonly Runnable[]>();
  #packages: Readonly<Record<string, string>> = {};
  readonly #versionIds = new Map<string, string>();
  #epoch = '';
  /** The table contains every change up to this seq. */
  #valid = -1;
  /** Consecutive heads start here. */
  #chainFrom = 0;
  #chainTo = -1;
  /** The newest seq that changed an entry. */
  #touched = -1;
  #loading: Promise<Outcome<void>> | undefined;

  /** @param changed called when the table was read again */
  constructor(bus: Bus, tenant: string, changed: () => void) {
    this.#bus = bus;
    this.tenant = tenant;
    this.#changed = changed;
    this.#keys = new Set(KINDS.map((type) => interestKey({ tenant, type })));
    this.#heads = subscribeToHeads(bus, tenant, ({ epoch, from, to, keys }) => this.#head(epoch, from, to, keys));
  }

  close(): void {
    this.#heads.unsubscribe();
  }

  /** Whether the table is known to contain everything up to a seq. */
  contains(seq: number): boolean {
    return this.#valid >= seq && this.#touched <= this.#valid;
  }

  /** Resolves when the table contains everything up to a seq. */
  async upTo(seq: number): Promise<Outcome<void>> {
    while (!this.contains(seq)) {
      this.#loading ??= this.#load(seq).finally(() => {
        this.#loading = undefined;
      });
      const loaded = await this.#loading;
      if (!loaded.ok) return loaded;
    }
    return done(undefined);
  }

  /** Resolves when the table contains everything committed before the call. */
  async fresh(): Promise<Outcome<void>> {
    const journal = busOfTenant(this.#bus, this.tenant);
    const position = await journal.request(graphPosition, graphPosition.subject({}), {}, { timeoutMs: TIMEOUT_MS });
    return position.ok ? this.upTo(position.value.seq) : position;
  }

  /** Enabled scripts of a path, in the order of creation. */
  scriptsAt(path: string): readonly Runnable[] {
    return this.#byPath.get(path) ?? [];
  }

  jobs(): Runnable[] {
    return [...this.#runnables.values()].filter(({ plural }) => plural === 'jobs');
  }

  find(id: string): Runnable | undefined {
    return this.#runnables.get(id);
  }

  /** Installed packages: name for `require`, and id of the bundle's blob. */
  get packages(): Readonly<Record<string, string>> {
    return this.#packages;
  }

  /** The id of a runnable's current version. */
  async versionIdOf({ id, version }: Runnable): Promise<string | undefined> {
    const key = `${id}/${version}`;
    const known = this.#versionIds.get(key);
    if (known !== undefined) return known;
    const filter = both(ofType(TYPES.version), equal(attribute('runnable_id'), id), equal(attribute('version'), version));
    const found = await this.#query({ filter, limit: 1, fields: [] });
    const versionId = found.ok ? found.value.elements[0]?.id : undefined;
    if (versionId === undefined) return undefined;
    if (this.#versionIds.size > MAX_KNOWN) this.#versionIds.clear();
    this.#versionIds.set(key, versionId);
    return versionId;
  }

  #head(epoch: string, from: number, to: number, keys: readonly (readonly number[])[]): void {
    if (epoch !== this.#epoch) {
      this.#valid = -1;
      this.#epoch = epoch;
      this.#chainTo = -1;
      this.#touched = -1;
    }
    if (from !== this.#chainTo + 1) this.#chainFrom = from;
    this.#chainTo = to;
    for (const [at, of] of keys.entries()) if (of.some((key) => this.#keys.has(key))) this.#touched = Math.max(this.#touched, from + at);
    this.#extend();
    // Jobs must be known before anything fires: also when the first read failed, and after a new epoch.
    if (this.#touched > this.#valid || this.#valid < 0) void this.upTo(Math.max(0, this.#touched));
  }

  /** Seqs that changed no entry extend the table's validity once announced. */
  #extend(): void {
    if (this.#valid >= 0 && this.#chainFrom <= this.#valid + 1 && this.#touched <= this.#valid) {
      this.#valid = Math.max(this.#valid, this.#chainTo);
    }
  }

  #query(body: object) {
    return this.#bus.request(graphQuery, graphQuery.subject({ tenant: this.tenant }), body, { timeoutMs: TIMEOUT_MS });
  }

  async #load(atLeast: number): Promise<Outcome<void>> {
    const listed = await this.#query({
      filter: { test: 'in', path: ['type'], values: KINDS },
      sort: [{ path: ['created', 'on'], order: 'asc' }],
      limit: MAX_KNOWN,
      fields: ['name', 'content'],
      atLeast: Math.max(0, atLeast),
    });
    if (!listed.ok) return listed;
    const { seq, epoch, elements } = listed.value;
    const read = await this.#bodiesOf(
      elements.filter(({ type, id, seq: at }) => type !== TYPES.npmPackage && this.#runnables.get(id)?.seq !== at),
    );
    if (!read.ok) return read;
    const known = new Set(elements.map(({ id }) => id));
    for (const id of this.#runnables.keys()) if (!known.has(id)) this.#runnables.delete(id);
    for (const element of read.value) this.#runnables.set(element.id, runnableOf(element));
    const byPath = new Map<string, Runnable[]>();
    for (const { id } of elements) {
      const runnable = this.#runnables.get(id);
      if (runnable?.path === undefined || !runnable.enabled) continue;
      const there = byPath.get(runnable.path) ?? [];
      there.push(runnable);
      byPath.set(runnable.path, there);
    }
    this.#byPath = byPath;
    this.#packages = Object.fromEntries(
      elements.flatMap(({ type, attributes: { name, content } }) =>
        type === TYPES.npmPackage && typeof content === 'string' ? [[textOr(name, ''), content]] : [],
      ),
    );
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#chainTo = -1;
      this.#touched = -1;
    }
    this.#valid = seq;
    this.#extend();
    this.#changed();
    return done(undefined);
  }

  async #bodiesOf(changed: readonly Element[]): Promise<Outcome<readonly Element[]>> {
    const found: Element[] = [];
    for (let at = 0; at < changed.length; at += 100) {
      const ids = changed.slice(at, at + 100).map(({ id }) => id);
      const subject = graphGet.subject({ tenant: this.tenant });
      const read = await this.#bus.request(graphGet, subject, { ids }, { timeoutMs: TIMEOUT_MS });
      if (!read.ok) return read;
      for (const element of read.value.elements) if (element !== null) found.push(element);
    }
    return done(found);
  }
}
