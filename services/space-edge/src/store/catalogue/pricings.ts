/** Services and pricings as evaluations need them, kept in memory: a pricing is read and its expressions are compiled once, not for every call. */
import type { Element } from '@polyedge/contracts/element';
import type { JsonObject } from '@polyedge/query/json';
import { jsonCharacters } from '@polyedge/query/json-size';
import { LRUCache } from 'lru-cache';
import { PRICING_TYPE, SERVICE_TYPE, type Service, toService } from '../../catalogue/service.ts';
import { compilePricing, type EvaluatedPricing } from '../../evaluation/pricing.ts';
import { sectionsOf } from '../../pricing/stored.ts';
import { got, type Result, refused } from '../../protocol/answer.ts';
import type { Following } from '../following.ts';
import type { Graph } from '../graph.ts';

export interface KnownPricing {
  readonly version: string;
  readonly evaluated: EvaluatedPricing;
  /** The definitions of its features, as clients are shown them. */
  readonly features: Readonly<Record<string, JsonObject>>;
}

type Known = { readonly service: Service } | { readonly pricing: KnownPricing };

/** Bytes of pricings in memory, by the length of their texts. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_ENTRIES = 10_000;
const READ_AT_ONCE = 50;

export class Pricings {
  readonly #graph: Graph;
  readonly #following: Following;
  readonly #known = new LRUCache<string, Known>({ max: MAX_ENTRIES, maxSize: MAX_BYTES });
  /** Grows with every change: what was read before one may be older than it. */
  #changes = 0;

  constructor(options: { readonly graph: Graph; readonly following: Following }) {
    this.#graph = options.graph;
    this.#following = options.following;
    const forget = (id: string): void => {
      this.#changes += 1;
      this.#known.delete(id);
    };
    this.#following.follow([SERVICE_TYPE, PRICING_TYPE], {
      change: ({ id }) => forget(id),
      missed: () => {
        this.#changes += 1;
        this.#known.clear();
      },
    });
  }

  /** Those of the ids that exist, by id: services, pricings, in any order. */
  async get(ids: readonly string[]): Promise<Result<ReadonlyMap<string, Known>>> {
    const found = new Map<string, Known>();
    const missing: string[] = [];
    for (const id of ids) {
      const known = this.#following.live ? this.#known.get(id) : undefined;
      if (known === undefined) missing.push(id);
      else found.set(id, known);
    }
    if (missing.length === 0) return got(found);
    // In parts: a pricing may have megabytes, an answer of the store has a bound.
    for (let at = 0; at < missing.length; at += READ_AT_ONCE) {
      const before = this.#changes;
      const elements = await this.#graph.get(missing.slice(at, at + READ_AT_ONCE));
      if (!elements.ok) return refused(elements.failure);
      for (const element of elements.value) {
        const known = toKnown(element);
        if (known === undefined) continue;
        found.set(element.id, known);
        if (this.#following.live && this.#changes === before) this.#known.set(element.id, known, { size: sizeOf(element) });
      }
    }
    return got(found);
  }
}

export const serviceOf = (known: ReadonlyMap<string, Known>, id: string): Service | undefined => {
  const found = known.get(id);
  return found !== undefined && 'service' in found ? found.service : undefined;
};

export const pricingOf = (known: ReadonlyMap<string, Known>, id: string): KnownPricing | undefined => {
  const found = known.get(id);
  return found !== undefined && 'pricing' in found ? found.pricing : undefined;
};

function toKnown(element: Element): Known | undefined {
  if (element.deleted) return undefined;
  if (element.type === SERVICE_TYPE) return { service: toService(element) };
  if (element.type !== PRICING_TYPE) return undefined;
  const sections = sectionsOf(element.attributes);
  const { version } = element.attributes;
  return {
    pricing: { version: typeof version === 'string' ? version : '', evaluated: compilePricing(sections), features: sections.features },
  };
}

const sizeOf = ({ attributes }: Element): number => jsonCharacters(attributes) * 4;
