/** Parses Pricing2Yaml into a checked pricing, or into its problems with their places. No I/O, no clock, no evaluation. */

import type { Json } from '@polyedge/query/json';
import { readFeatures, readUsageLimits } from './definitions.ts';
import { boolean, exact, present, text, texts, webAddress } from './fields.ts';
import { readAddOns, readPlans } from './offers.ts';
import type { Pricing } from './pricing.ts';
import { type LocatedValue, type PricingProblem, problemText, SOURCE_LIMITS, Source, type SourceLimits } from './source.ts';
import { OLDER_VERSIONS, upgrade } from './upgrade.ts';

const CURRENT_VERSIONS = ['3.0', '3.1'] as const;
const SUPPORTED_VERSIONS = [...OLDER_VERSIONS, ...CURRENT_VERSIONS];
/** Versions that a file names in `version`. */
const UP_TO_2_0 = OLDER_VERSIONS.slice(0, 3);

const MAX_VERSION_CHARACTERS = 100;
/** Codes of ISO 4217, funds and metals included. */
const CURRENCIES: ReadonlySet<string> = new Set(
  (
    'AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP ' +
    'CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ' +
    'IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN ' +
    'MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP ' +
    'STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD ' +
    'XCD XDR XOF XPD XPF XPT XSU XTS XUA XXX YER ZAR ZMW ZWG'
  ).split(' '),
);

export type ParsedPricing =
  | { readonly ok: true; readonly pricing: Pricing }
  | { readonly ok: false; readonly problems: readonly PricingProblem[] };

export interface ParseOptions {
  /** Today, `yyyy-mm-dd`: a pricing must not be created in the future. */
  readonly today: string;
  readonly limits?: Partial<SourceLimits>;
}

/** Never throws. Reports all problems that can be found in one pass, up to twenty. */
export function parsePricing(yaml: string, { today, limits }: ParseOptions): ParsedPricing {
  const source = Source.read(yaml, { ...SOURCE_LIMITS, ...limits });
  if (source.problems.length > 0) return { ok: false, problems: source.problems };
  const pricing = readPricing(source.root, today);
  if (source.problems.length > 0 || pricing === undefined) return { ok: false, problems: source.problems };
  return { ok: true, pricing };
}

/** The error text for SPACE's clients: the prefix that they expect, and the first problems. */
export function parsingError(problems: readonly PricingProblem[]): string {
  const shown = problems.slice(0, 5).map(problemText).join('; ');
  return `Pricing parsing error: ${shown}${problems.length > 5 ? `; and ${problems.length - 5} more` : ''}`;
}

function readPricing(root: LocatedValue, today: string): Pricing | undefined {
  if (root.kind !== 'map') {
    root.report('is not a pricing: a map with syntaxVersion, saasName, createdAt, currency, features and plans is expected');
    return undefined;
  }
  const syntax = readSyntax(root);
  // The rest depends on the version.
  if (syntax === undefined) return undefined;
  const createdAt = readCreatedAt(root.get('createdAt'), today);
  const variables = readVariables(root.get('variables'));
  const tags = texts(root.get('tags'));
  const features = readFeatures(root.get('features'), tags ?? []);
  const usageLimits = readUsageLimits(root.get('usageLimits'), namesOf(root.get('features')));
  const declared = { features: namesOf(root.get('features')), usageLimits: namesOf(root.get('usageLimits')) };
  const known = { features, usageLimits, declared, variables: variables ?? {}, upgraded: syntax.upgraded };
  const plans = readPlans(root.get('plans'), known);
  const addOns = readAddOns(root.get('addOns'), namesOf(root.get('plans')), known);
  return {
    syntaxVersion: syntax.version,
    saasName: readName(root.get('saasName')),
    version: readVersion(root.get('version')) ?? unpadded(createdAt),
    createdAt,
    currency: readCurrency(root.get('currency')),
    features,
    usageLimits,
    plans,
    addOns,
    ...present({
      url: webAddress(root.get('url')),
      tags,
      billing: readBilling(root.get('billing')),
      variables,
      custom: readCustomMap(root.get('custom')),
    }),
  };
}

/** Determines the syntax version of the file, and upgrades an older one to 3.0 before anything else is read. */
function readSyntax(root: LocatedValue): { readonly version: Pricing['syntaxVersion']; readonly upgraded: boolean } | undefined {
  const upgraded = { version: '3.0', upgraded: true } as const;
  const named = root.get('syntaxVersion');
  const older = UP_TO_2_0.find((one) => one === root.get('version').scalar);
  // A file may name 2.0 in both fields.
  if (older !== undefined && (named.empty || (older === '2.0' && named.scalar === older))) {
    upgrade(root, older);
    return upgraded;
  }
  const supported = `supported versions: ${SUPPORTED_VERSIONS.join(', ')}`;
  if (named.empty) named.report(`is required (${supported})`);
  const version = text(named);
  if (version === undefined) return undefined;
  if (version === '2.1') {
    upgrade(root, version);
    return upgraded;
  }
  const found = CURRENT_VERSIONS.find((one) => one === version);
  if (found !== undefined) refuseDots(root);
  else if (UP_TO_2_0.some((one) => one === version)) named.report(`names a version before 2.1, which is written as "version"`);
  else named.report(`Unsupported version "${version.slice(0, 20)}" (${supported})`);
  return found === undefined ? undefined : { version: found, upgraded: false };
}

/** Rejects names with a dot, as SPACE does and its clients expect; older public files still contain them. */
function refuseDots(root: LocatedValue): void {
  for (const section of ['features', 'usageLimits', 'plans', 'addOns']) {
    for (const [name, value] of root.get(section).entries())
      if (name.includes('.')) value.report('Invalid key: a name must not contain "."');
  }
}

function readName(at: LocatedValue): string {
  const name = text(at)?.trim() ?? '';
  if (at.empty) at.report('is required');
  else if (name.length < 3 || name.length > 255) at.report('must have 3 to 255 characters');
  return name;
}

/** A day as text. Unquoted it may have a time, like YAML's dates; in quotes it must not. */
function readCreatedAt(at: LocatedValue, today: string): string {
  if (at.empty) at.report('is required: a day such as 2024-07-17');
  const written = at.kind === 'date' ? at.written : at.scalar;
  const day = typeof written === 'string' ? dayOf(written, at.kind === 'date') : undefined;
  if (day === undefined) {
    if (!at.empty) at.report('must be a day such as 2024-07-17');
    return '1970-01-01';
  }
  if (day > today) at.report('must not be in the future');
  return day;
}

function dayOf(written: string, withTime: boolean): string | undefined {
  const [, year, month, day] = (withTime ? /^(\d{4})-(\d\d?)-(\d\d?)/ : /^(\d{4})-(\d\d)-(\d\d)$/).exec(written) ?? [];
  if (year === undefined || month === undefined || day === undefined) return undefined;
  const padded = `${year}-${month.padStart(2, '0')}-${day.padStart(2, '0')}`;
  const date = new Date(`${padded}T00:00:00Z`);
  return Number.isNaN(date.getTime()) || date.toISOString().slice(0, 10) !== padded ? undefined : padded;
}

function readVersion(at: LocatedValue): string | undefined {
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

/** `2025-03-06` → `2025-3-6`: the version of a pricing without one. */
const unpadded = (day: string): string =>
  day
    .split('-')
    .map((part) => String(Number(part)))
    .join('-');

function readCurrency(at: LocatedValue): string {
  if (at.empty) at.report('is required');
  const currency = text(at) ?? '';
  if (!at.empty && !CURRENCIES.has(currency.trim().toUpperCase())) at.report('must be a currency code of ISO 4217, such as EUR');
  return currency;
}

function readBilling(at: LocatedValue): Record<string, number> | undefined {
  if (at.empty) return undefined;
  if (at.kind !== 'map') at.report('must be a map of factors');
  const billing: Record<string, number> = {};
  for (const [name, value] of at.entries()) {
    const factor = value.scalar;
    if (name === '__proto__') value.report('is not allowed as a name');
    else if (typeof factor === 'number' && factor > 0 && factor <= 1) billing[name] = factor;
    else value.report('must be a number above 0 and up to 1');
  }
  return billing;
}

function readVariables(at: LocatedValue): Record<string, number | string | boolean> | undefined {
  if (at.empty) return undefined;
  if (at.kind !== 'map') at.report('must be a map');
  const variables: Record<string, number | string | boolean> = {};
  for (const [name, value] of at.entries()) {
    const scalar = value.scalar;
    if (name === '__proto__') value.report('is not allowed as a name');
    else if (scalar === undefined || (typeof scalar === 'number' && !Number.isFinite(scalar)))
      value.report('must be a number, a text or true or false');
    else variables[name] = typeof scalar === 'number' ? (exact(value) ?? 0) : scalar;
  }
  return variables;
}

function readCustomMap(at: LocatedValue): Json | undefined {
  if (!at.empty && at.kind !== 'map' && at.kind !== 'list') at.report('must be a map');
  return readCustom(at);
}

/** Arbitrary data of the author, kept as it is. */
function readCustom(at: LocatedValue): Json | undefined {
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
      return typeof at.scalar === 'number' && Number.isFinite(at.scalar) ? (exact(at) ?? null) : null;
    case 'date':
      return at.written;
    case 'text':
      return text(at);
  }
}

const namesOf = (at: LocatedValue): ReadonlySet<string> => new Set(at.entries().map(([name]) => name));
