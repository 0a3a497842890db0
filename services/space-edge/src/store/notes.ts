/** The values that administrators put into `/cache`: they expire, and are shared by all replicas. */
import { createHash } from 'node:crypto';
import type { Filter } from '@polyedge/query/filter';
import type { Json } from '@polyedge/query/json';
import { got, type Result, refuse, refused } from '../protocol/answer.ts';
import type { Graph } from './graph.ts';

const TYPE = 'space/CacheEntry';
/** Maximum expired entries that one call deletes: any number may have expired since the last one. */
const MAX_SWEPT = 500;

export class Notes {
  readonly #graph: Graph;
  readonly #now: () => number;

  constructor(options: { readonly graph: Graph; readonly now: () => number }) {
    this.#graph = options.graph;
    this.#now = options.now;
  }

  /** Null if missing or expired. */
  async get(key: string): Promise<Result<Json>> {
    const found = await this.#graph.get([this.#id(key)]);
    if (!found.ok) return refused(found.failure);
    const { value, expiresAt } = found.value[0]?.attributes ?? {};
    return got(typeof expiresAt === 'number' && expiresAt > this.#now() ? (value ?? null) : null);
  }

  /** 409 if the key has another value. */
  async set(key: string, value: Json, seconds: number, by: string): Promise<Result<unknown>> {
    const now = this.#now();
    const id = this.#id(key);
    const attributes = { key, value, expiresAt: now + seconds * 1000 };
    const over: Filter = { test: 'at-most', path: ['attributes', 'expiresAt'], value: now };
    const expired = await this.#graph.some({ all: [ofType, over] }, MAX_SWEPT);
    if (!expired.ok) return refused(expired.failure);
    const swept: Filter = { test: 'in', path: ['id'], values: expired.value.map((element) => element.id) };
    const written = await this.#graph.write(
      'cache-set',
      by,
      [
        { op: 'delete', target: { where: { all: [ofType, over, swept] } } },
        {
          op: 'replace',
          target: { id, where: ofType },
          attributes,
          ifMissing: { type: TYPE, id, attributes },
          before: { any: [over, { test: 'equal', path: ['attributes', 'value'], value }] },
        },
      ],
      true,
    );
    if (written.ok) return got(undefined);
    return written.failure.code === 'not-allowed'
      ? refuse(409, 'CONFLICT: there is another value under this key; use another key')
      : refused(written.failure);
  }

  #id(key: string): string {
    const name = createHash('sha256').update(key.toLowerCase()).digest('hex');
    return `space.cache.${this.#graph.tenant}.${name}`;
  }
}

const ofType: Filter = { test: 'equal', path: ['type'], value: TYPE };
