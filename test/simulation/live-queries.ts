/** Clients of Good Uncle with live queries. Their windows are compared with a read of the database at their version. */
import type { Element } from '@polyedge/contracts/element';
import { compareBy, type Sort } from '@polyedge/query/query';
import { WritingClient } from './clients.ts';
import type { EdgeProcess } from './edge-process.ts';
import { SCOPE } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

interface Told {
  readonly response: {
    readonly code: string;
    readonly payload: { readonly id?: string } | null;
    readonly event?: string;
    readonly seq: number;
    readonly last?: true;
    readonly synced?: true;
    readonly version?: number;
    readonly position?: { readonly from: number | null; readonly to: number | null };
  };
  readonly request: { readonly payload: { readonly ref?: string } | null };
}

const ENTERS: readonly (string | undefined)[] = ['original match', 'match created', 'match added'];

export class LiveQuery extends WritingClient {
  protected readonly api = 'gooduncle';
  protected readonly query = {};
  readonly #above: number;
  readonly #limit: number;
  readonly #sort: readonly Sort[] = [{ path: ['attributes', 'price'], order: 'asc' }];
  /** The id of the subscription; a new one after each end. */
  #number = 0;
  #next = 0;
  #window: string[] = [];
  #version = 0;
  #isSynced = false;
  #history = '';
  /** The number of moves when the subscription began; -1 if the edge did not know the last one. */
  #moves = -1;
  /** Own rows that it received by `match created`, and unanswered writes. */
  readonly #created = new Set<string>();
  readonly #asked = new Set<string>();
  #writes = 0;
  /** Rows of the journal, folded up to a seq. */
  #rows = new Map<string, Element>();
  #folded = 0;

  constructor(world: Surroundings, name: string, edges: () => readonly EdgeProcess[], above: number, limit: number) {
    super(world, name, edges);
    this.#above = above;
    this.#limit = limit;
  }

  protected begin(): void {
    this.#number += 1;
    this.#next = 0;
    this.#window = [];
    this.#version = 0;
    this.#isSynced = false;
    this.#moves = this.isSentHome ? this.world.moves : -1;
    const criteria = { price: { $gt: this.#above } };
    const subscription = `q${this.#number}`;
    this.send({ type: 'subscribe', subscription, ref: subscription, topic: 'products', criteria, sort: ['price'], limit: this.#limit });
  }

  protected heard(text: string): void {
    if (text.length < 2) return;
    const { judge } = this.world;
    const { request, response }: Told = JSON.parse(text);
    const ref = request.payload?.ref ?? '';
    if (this.#asked.delete(ref)) this.#answered(response);
    if (ref !== `q${this.#number}`) return;
    if (response.code !== 'ok' || response.last === true) {
      this.#isSynced = false;
      // The subscription ended: the client subscribes again.
      this.world.time.after(200, () => {
        if (this.isOpen) this.begin();
      });
      return;
    }
    if (response.seq !== this.#next) judge.wrong(`${this.name} hears ${response.seq} after ${this.#next - 1}`);
    this.#next = response.seq + 1;
    const version = response.version ?? this.#version;
    if (version < this.#version && this.#isJudged) judge.wrong(`${this.name} goes back from version ${this.#version} to ${version}`);
    if (version !== this.#version) this.#compare();
    this.#version = version;
    this.#isSynced ||= response.synced === true;
    this.#apply(response);
  }

  protected override ended(): void {
    this.#asked.clear();
    this.#created.clear();
  }

  write(count: number): void {
    if (!this.isOpen) return;
    for (let left = count; left > 0; left -= 1) {
      this.#writes += 1;
      const ref = `w${this.#writes}`;
      this.#asked.add(ref);
      this.send({ type: 'create', topic: 'products', params: { price: this.world.chance.below(10) }, ref });
    }
  }

  missing(): string | undefined {
    if (!this.isOpen) return `${this.name} is not connected`;
    if (this.#asked.size > 0) return `${this.name} waits for ${this.#asked.size} answers`;
    if (!this.#isSynced) return `${this.name} has not begun`;
    const wanted = this.#read(this.world.database.seq);
    if (JSON.stringify(wanted) === JSON.stringify(this.#window)) return undefined;
    return `${this.name} shows ${this.#window.join()} where a read gives ${wanted.join()}`;
  }

  /** The answer to a write precedes its event. */
  #answered({ code, payload }: Told['response']): void {
    const { judge } = this.world;
    const id = payload?.id ?? '';
    if (code === 'ok' && this.#created.has(id)) judge.wrong(`${this.name} is told of ${id} before its own write of it is answered`);
  }

  #apply({ event, payload, position }: Told['response']): void {
    const id = payload?.id;
    if (event === undefined || id === undefined) return;
    if (event === 'match created') this.#created.add(id);
    const { judge } = this.world;
    const known = this.#window.indexOf(id);
    const enters = ENTERS.includes(event);
    if ((known === -1) !== enters) judge.wrong(`${this.name}: ${event} of ${id}, which ${known === -1 ? 'is not' : 'is'} in the window`);
    if (!enters && known !== position?.from) judge.wrong(`${this.name}: ${event} of ${id} from ${position?.from}, where it is at ${known}`);
    if (known !== -1) this.#window.splice(known, 1);
    if (enters || event === 'match modified') this.#window.splice(position?.to ?? this.#window.length, 0, id);
    if (this.#window.length > this.#limit) judge.wrong(`${this.name} shows more than ${this.#limit} rows`);
  }

  /** All events of a version were received: the window now equals a read at that version. */
  #compare(): void {
    const { judge } = this.world;
    if (!this.#isSynced || !this.#isJudged) return;
    judge.counts.windows += 1;
    const wanted = this.#read(this.#version);
    if (JSON.stringify(wanted) !== JSON.stringify(this.#window))
      judge.wrong(`${this.name} shows ${this.#window.join()} at version ${this.#version}, where a read gives ${wanted.join()}`);
  }

  /** Whether everything it receives is of one history in one journal. */
  get #isJudged(): boolean {
    return this.world.judge.isFirstHistory && this.#moves === this.world.moves;
  }

  #read(seq: number): string[] {
    const { tenant, failovers, moves, database } = this.world;
    const { journal } = database;
    const history = `${failovers}/${moves}`;
    if (seq < this.#folded || this.#history !== history) {
      this.#rows = new Map();
      this.#folded = 0;
      this.#history = history;
    }
    for (; this.#folded < seq; this.#folded += 1) {
      const change = journal[this.#folded];
      if (change?.tenant === tenant && change.type === 'products' && change.scope === SCOPE) this.#rows.set(change.id, change.state);
    }
    const above = (row: Element): boolean => !row.deleted && Number(row.attributes.price) > this.#above;
    return [...this.#rows.values()]
      .filter(above)
      .sort(compareBy(this.#sort))
      .slice(0, this.#limit)
      .map(({ id }) => id);
  }
}
