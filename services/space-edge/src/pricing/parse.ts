/** Pricing2Yaml 3.0 and 3.1: from text to a checked pricing, or to what is wrong with it and where. No I/O, no clock, no evaluation. */

import type { Json } from '@polyedge/query/json';
import { readFeatures, readUsageLimits } from './definitions.ts';
import { boolean, named, present, text, texts } from './fields.ts';
import { readAddOns, readPlans } from './offers.ts';
import type { Pricing } from './pricing.ts';
import { type At, type Problem, problemText, SOURCE_LIMITS, Source, type SourceLimits } from './source.ts';

/** Written 2.x and earlier, pricings have another shape; Polyedge does not convert them. */
export const SUPPORTED_VERSIONS = ['3.0', '3.1'] as const;

const MAX_VERSION_CHARACTERS = 100;
const CURRENCIES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('currency'));

export type ParsedPricing =
  | { readonly ok: true; readonly pricing: Pricing }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface ParseOptions {
  /** The day it is, `yyyy-mm-dd`: a pricing is not created in the future. */
  readonly today: string;
  readonly limits?: Partial<SourceLimits>;
}

/** Never throws. All problems are found that can be found at once, up to twenty. */
export function parsePricing(yaml: string, { today, limits }: ParseOptions): ParsedPricing {
  const source = Source.read(yaml, { ...SOURCE_LIMITS, ...limits });
  if (source.problems.length > 0) return { ok: false, problems: source.problems };
  const pricing = readPricing(source.root, today);
  if (source.problems.length > 0 || pricing === undefined) return { ok: false, problems: source.problems };
  return { ok: true, pricing };
}

/** The sentence SPACE's clients get: it begins as they expect and goes on with the first places. */
export function parsingError(problems: readonly Problem[]): string {
  const shown = problems.slice(0, 5).map(problemText).join('; ');
  return `Pricing parsing error: ${shown}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}`;
}

function readPricing(root: At, today: string): Pricing | undefined {
  if (root.kind !== 'map') {
    root.report('is not a pricing: a map with syntaxVersion, saasName, createdAt, currency, features and plans is expected');
    return undefined;
  }
  const syntaxVersion = readSyntaxVersion(root.get('syntaxVersion'));
  // Everything below has another meaning in another version.
  if (syntaxVersion === undefined) return undefined;
  const createdAt = readCreatedAt(root.get('createdAt'), today);
  const variables = readVariables(root.get('variables'));
  const features = readFeatures(root.get('features'));
  const usageLimits = readUsageLimits(root.get('usageLimits'), namesOf(root.get('features')));
  const numbers = new Map(Object.entries(variables ?? {}).flatMap(([name, value]) => (typeof value === 'number' ? [[name, value]] : [])));
  const declared = { features: namesOf(root.get('features')), usageLimits: namesOf(root.get('usageLimits')) };
  const known = { features, usageLimits, declared, variables: numbers };
  const plans = readPlans(root.get('plans'), known);
  const addOns = readAddOns(root.get('addOns'), namesOf(root.get('plans')), known);
  if (root.get('plans').empty && root.get('addOns').empty) root.report('must have plans or addOns');
  return {
    syntaxVersion,
    saasName: readName(root.get('saasName')),
    version: readVersion(root.get('version')) ?? unpadded(createdAt),
    createdAt,
    currency: readCurrency(root.get('currency')),
    features,
    usageLimits,
    plans,
    addOns,
    ...present({
      url: text(root.get('url')),
      tags: texts(root.get('tags')),
      billing: readBilling(root.get('billing')),
      variables,
      custom: readCustom(root.get('custom')),
    }),
  };
}

function readSyntaxVersion(at: At): Pricing['syntaxVersion'] | undefined {
  const supported = `supported versions: ${SUPPORTED_VERSIONS.join(', ')}`;
  if (at.empty) at.report(`is required (${supported})`);
  const version = text(at);
  if (version === undefined) return undefined;
  const found = SUPPORTED_VERSIONS.find((one) => one === version);
  if (found === undefined) at.report(`Unsupported version "${version.slice(0, 20)}" (${supported})`);
  return found;
}

function readName(at: At): string {
  const name = text(at)?.trim() ?? '';
  if (at.empty) at.report('is required');
  else if (name.length < 3 || name.length > 255) at.report('must have 3 to 255 characters');
  return name;
}

/** A day as text. YAML's core has no dates, so a bare 2024-07-17 is a text as well. */
function readCreatedAt(at: At, today: string): string {
  if (at.empty) at.report('is required: a day such as 2024-07-17');
  const written = text(at);
  if (written === undefined) return '1970-01-01';
  const day = /^(\d{4}-\d{2}-\d{2})(?:$|T)/.exec(written)?.[1];
  const date = day === undefined ? Number.NaN : Date.parse(`${day}T00:00:00Z`);
  if (day === undefined || Number.isNaN(date) || new Date(date).toISOString().slice(0, 10) !== day) {
    at.report('must be a day such as 2024-07-17');
    return '1970-01-01';
  }
  if (day > today) at.report('must not be in the future');
  return day;
}

function readVersion(at: At): string | undefined {
  const version = text(at);
  if (version === undefined) return undefined;
  const problem =
    version.trim() === '' || version.length > MAX_VERSION_CHARACTERS
      ? `must have 1 to ${MAX_VERSION_CHARACTERS} characters`
      : version === '__proto__' || /\p{Cc}/u.test(version)
        ? 'must not contain control characters'
        : undefined;
  if (problem !== undefined) at.report(problem);
  return version;
}

/** `2025-03-06` → `2025-3-6`: the version of a pricing that names none. */
const unpadded = (day: string): string =>
  day
    .split('-')
    .map((part) => String(Number(part)))
    .join('-');

function readCurrency(at: At): string {
  if (at.empty) at.report('is required');
  const currency = text(at) ?? '';
  if (!at.empty && !CURRENCIES.has(currency)) at.report('must be a currency code of ISO 4217, such as EUR');
  return currency;
}

function readBilling(at: At): Record<string, number> | undefined {
  if (at.empty) return undefined;
  const billing: Record<string, number> = {};
  for (const [name, value] of named(at)) {
    const factor = value.scalar;
    if (typeof factor === 'number' && factor > 0 && factor <= 1) billing[name] = factor;
    else value.report('must be a number above 0 and up to 1');
  }
  return billing;
}

function readVariables(at: At): Record<string, number | string | boolean> | undefined {
  if (at.empty) return undefined;
  if (at.kind !== 'map') at.report('must be a map');
  const variables: Record<string, number | string | boolean> = {};
  for (const [name, value] of at.entries()) {
    const scalar = value.scalar;
    if (!/^[A-Za-z_][A-Za-z0-9_-]*$/.test(name) || name === '__proto__') value.report('must have a name of letters, digits, "_" and "-"');
    else if (scalar === undefined || (typeof scalar === 'number' && !Number.isFinite(scalar)))
      value.report('must be a number, a text or true or false');
    else variables[name] = scalar;
  }
  return variables;
}

/** Anything the author likes: kept as it is. */
function readCustom(at: At): Json | undefined {
  switch (at.kind) {
    case 'absent':
    case 'null':
      return undefined;
    case 'map': {
      const map: Record<string, Json> = {};
      for (const [key, value] of at.entries()) {
        if (key === '__proto__') value.report('is not allowed as a name');
        else map[key] = readCustom(value) ?? null;
      }
      return map;
    }
    case 'list':
      return at.items().map((item) => readCustom(item) ?? null);
    case 'boolean':
      return boolean(at);
    case 'number':
      return typeof at.scalar === 'number' && Number.isFinite(at.scalar) ? at.scalar : null;
    case 'text':
      return text(at);
  }
}

const namesOf = (at: At): ReadonlySet<string> => new Set(at.entries().map(([name]) => name));
