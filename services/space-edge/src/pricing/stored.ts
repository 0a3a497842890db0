/** Converts a pricing to attributes of its vertex, and these to SPACE's answers (protocol page 3.3). Other protocols may write the vertex too, so its values are validated. */
import { isObject, type Json, type JsonObject } from '@polyedge/query/json';
import type { Offered } from '../contracts/validity.ts';
import type { Pricing } from './pricing.ts';

/** The owner and origin of a pricing. */
export interface Provenance {
  readonly organizationId: string;
  readonly serviceId: string;
  /** For a pricing given by its URL; the file's own `url` is the author's page. */
  readonly remoteUrl?: string;
}

const SECTIONS = ['features', 'usageLimits', 'plans', 'addOns'] as const;

/** The attributes of a pricing. The store does not keep the order of keys; `order` has the author's order, in which plans are shown. */
export function stored(pricing: Pricing, provenance: Provenance): JsonObject {
  const order = Object.fromEntries(SECTIONS.map((section) => [section, Object.keys(pricing[section])]));
  return { ...pricing, ...provenance, order };
}

/** The definition alone, in a form that can be uploaded again. */
export function definition(attributes: JsonObject): JsonObject {
  const { organizationId: _organization, serviceId: _service, remoteUrl: _remote, order: _order, ...rest } = attributes;
  const sections = SECTIONS.map((section) => {
    const entries = Object.entries(inOrder(attributes, section));
    const written = section === 'plans' || section === 'addOns' ? entries.map(([name, offer]) => [name, spelledOut(offer)]) : entries;
    return [section, Object.fromEntries(written)];
  });
  return { ...rest, ...Object.fromEntries(sections) };
}

/** The values that an offer grants, each as a map with a `value`, the only form that other parsers of the language accept. */
function spelledOut(offer: JsonObject): JsonObject {
  const granted = ['features', 'usageLimits', 'usageLimitsExtensions'].flatMap((section) => {
    const values = offer[section];
    return isObject(values)
      ? [[section, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value }] as const))] as const]
      : [];
  });
  return { ...offer, ...Object.fromEntries(granted) };
}

/** The sections, each in the author's order. */
export const sectionsOf = (attributes: JsonObject): Readonly<Record<(typeof SECTIONS)[number], Record<string, JsonObject>>> => ({
  features: inOrder(attributes, 'features'),
  usageLimits: inOrder(attributes, 'usageLimits'),
  plans: inOrder(attributes, 'plans'),
  addOns: inOrder(attributes, 'addOns'),
});

/** @param yamlPath the URL path of an uploaded file */
export function published(attributes: JsonObject, yamlPath?: string): JsonObject {
  const { version, currency, createdAt, remoteUrl, organizationId } = attributes;
  const features = inOrder(attributes, 'features');
  const usageLimits = inOrder(attributes, 'usageLimits');
  const plans = inOrder(attributes, 'plans');
  return {
    // A remote pricing shows its URL instead of an owner and a path (SPACE 1.2).
    ...(remoteUrl === undefined
      ? { _organizationId: organizationId ?? null, ...(yamlPath === undefined ? {} : { yamlPath }) }
      : { url: remoteUrl }),
    version: version ?? '',
    currency: currency ?? '',
    createdAt: typeof createdAt === 'string' ? `${createdAt}T00:00:00.000Z` : null,
    features,
    usageLimits,
    plans: Object.fromEntries(
      Object.entries(plans).map(([name, plan]) => [
        name,
        { ...plan, features: effective(features, plan.features), usageLimits: effective(usageLimits, plan.usageLimits) },
      ]),
    ),
    addOns: inOrder(attributes, 'addOns'),
  };
}

/** The parts of a pricing that the check of a fallback uses. */
export function offered(attributes: JsonObject): Offered {
  const texts = (value: Json | undefined): string[] => (Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []);
  const number = (value: Json | undefined): number => (typeof value === 'number' ? value : 1);
  const addOns = Object.entries(inOrder(attributes, 'addOns')).map(
    ([name, { availableFor, dependsOn, excludes, subscriptionConstraints }]) => {
      const constraints = isObject(subscriptionConstraints) ? subscriptionConstraints : undefined;
      return [
        name,
        {
          availableFor: texts(availableFor),
          dependsOn: texts(dependsOn),
          excludes: texts(excludes),
          ...(constraints === undefined
            ? {}
            : {
                subscriptionConstraints: {
                  minQuantity: number(constraints.minQuantity),
                  maxQuantity: number(constraints.maxQuantity),
                  quantityStep: number(constraints.quantityStep),
                },
              }),
        },
      ] as const;
    },
  );
  return {
    version: typeof attributes.version === 'string' ? attributes.version : '',
    plans: Object.keys(inOrder(attributes, 'plans')),
    addOns: Object.fromEntries(addOns),
  };
}

/** The entries of a section in the author's order; entries without a place in it come last. */
function inOrder(attributes: JsonObject, section: (typeof SECTIONS)[number]): Record<string, JsonObject> {
  const entries = isObject(attributes[section]) ? attributes[section] : {};
  const order = isObject(attributes.order) ? attributes.order[section] : undefined;
  const names = new Set([...(Array.isArray(order) ? order : []), ...Object.keys(entries)]);
  const sorted: [string, JsonObject][] = [];
  for (const name of names) {
    const entry = typeof name === 'string' && Object.hasOwn(entries, name) ? entries[name] : undefined;
    if (typeof name === 'string' && isObject(entry)) sorted.push([name, entry]);
  }
  return Object.fromEntries(sorted);
}

function effective(definitions: Readonly<Record<string, JsonObject>>, own: Json | undefined): JsonObject {
  const values = isObject(own) ? own : {};
  return Object.fromEntries(
    Object.entries(definitions).map(([name, { defaultValue }]) => [
      name,
      (Object.hasOwn(values, name) ? values[name] : defaultValue) ?? null,
    ]),
  );
}
