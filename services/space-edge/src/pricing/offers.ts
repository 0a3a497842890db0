/** The sections `plans` and `addOns`. */
import { amount, boolean, count, description, exact, named, present, readValue, references, text, unit } from './fields.ts';
import { evaluateFormula, isFormula, type Variables } from './price-formula.ts';
import { type AddOn, type Feature, type Plan, type Price, paymentsOf, UNLIMITED, type UsageLimit, type Worth } from './pricing.ts';
import type { LocatedValue } from './source.ts';

/** The definitions that plans and add-ons refer to. */
export interface Definitions {
  readonly features: Readonly<Record<string, Feature>>;
  readonly usageLimits: Readonly<Record<string, UsageLimit>>;
  /** Names that the file defines, even if their definition is invalid, so that one mistake is reported once. */
  readonly declared: { readonly features: ReadonlySet<string>; readonly usageLimits: ReadonlySet<string> };
  readonly variables: Variables;
  /** Whether the file has an older syntax version, which is parsed as in SPACE. */
  readonly upgraded: boolean;
}

export function readPlans(at: LocatedValue, definitions: Definitions): Record<string, Plan> {
  const plans: Record<string, Plan> = {};
  for (const [name, value] of named(at)) {
    if (value.kind !== 'map') value.report('must be a map with a price');
    else {
      if (definitions.upgraded && value.get('features').kind === 'absent') value.report('must have features, be they null');
      plans[name] = readOffer('plan', name, value, definitions);
    }
  }
  return plans;
}

export function readAddOns(at: LocatedValue, plans: ReadonlySet<string>, definitions: Definitions): Record<string, AddOn> {
  const entries = named(at);
  const names = new Set(entries.map(([name]) => name));
  const addOns: Record<string, AddOn> = {};
  for (const [name, value] of entries) {
    if (value.kind === 'map') addOns[name] = readAddOn(name, value, { plans, names, definitions });
    else value.report('must not be empty: it grants a feature or a usage limit, or extends one');
  }
  return addOns;
}

function readAddOn(
  name: string,
  at: LocatedValue,
  {
    plans,
    names,
    definitions,
  }: { readonly plans: ReadonlySet<string>; readonly names: ReadonlySet<string>; readonly definitions: Definitions },
): AddOn {
  const offer = readOffer('add-on', name, at, definitions);
  const extensions = readExtensions(at.get('usageLimitsExtensions'), definitions);
  const grants = ['features', 'usageLimits', 'usageLimitsExtensions'].some((section) => at.get(section).entries().length > 0);
  if (!grants) at.report('must not be empty: it grants a feature or a usage limit, or extends one');
  // Only an add-on that extends limits and grants nothing else can be taken more than once.
  const scalable =
    Object.keys(extensions).length > 0 && Object.keys(offer.features).length === 0 && Object.keys(offer.usageLimits).length === 0;
  const constraints = readConstraints(at.get('subscriptionConstraints'), scalable);
  return {
    ...offer,
    availableFor: references(at.get('availableFor'), plans, 'plan') ?? [...plans],
    dependsOn: references(at.get('dependsOn'), names, 'add-on') ?? [],
    excludes: references(at.get('excludes'), names, 'add-on') ?? [],
    usageLimitsExtensions: extensions,
    ...(constraints === undefined ? {} : { subscriptionConstraints: constraints }),
  };
}

function readOffer(of: 'plan' | 'add-on', name: string, at: LocatedValue, definitions: Definitions): Plan {
  const values = (section: 'features' | 'usageLimits') =>
    readValues(at.get(section), section, definitions, of === 'add-on' && section === 'usageLimits');
  return {
    name,
    price: readPrice(at.get('price'), definitions.variables) ?? 0,
    private: boolean(at.get('private')) ?? false,
    features: values('features'),
    usageLimits: values('usageLimits'),
    unit: unit(at.get('unit')),
    ...present({
      description: description(at.get('description')),
      monthlyPrice: asWritten(at.get('monthlyPrice')),
      annualPrice: asWritten(at.get('annualPrice')),
    }),
  };
}

/** An additional price of an older file, which is kept but not used. */
function asWritten(at: LocatedValue): Price | undefined {
  const { scalar } = at;
  if (typeof scalar === 'number') return Number.isFinite(scalar) ? exact(at) : undefined;
  return typeof scalar === 'string' ? scalar : undefined;
}

function readPrice(at: LocatedValue, variables: Variables): Price | undefined {
  if (at.empty) {
    at.report('is required');
    return undefined;
  }
  const written = at.scalar;
  // Only infinity is bounded: in some currencies a price has nine digits.
  if (typeof written === 'number') {
    const bounded = amount(at);
    return bounded === undefined || !Number.isFinite(written) ? bounded : exact(at);
  }
  if (typeof written !== 'string') {
    at.report('must be a number, a formula or a text');
    return undefined;
  }
  const price = text(at) ?? '';
  if (/^\d+(\.\d+)?$/.test(price)) return Number(price);
  if (!isFormula(price)) return price;
  const result = evaluateFormula(price, variables);
  if (!result.ok) at.report(`the formula ${result.problem}`);
  return result.ok ? result.value : undefined;
}

function readValues(
  at: LocatedValue,
  section: 'features' | 'usageLimits',
  definitions: Definitions,
  spelledOut: boolean,
): Record<string, Worth> {
  const values: Record<string, Worth> = {};
  for (const [name, entry] of named(at)) {
    const definition = Object.hasOwn(definitions[section], name) ? definitions[section][name] : undefined;
    if (definition === undefined) {
      if (!definitions.declared[section].has(name))
        entry.report(`names a ${section === 'features' ? 'feature' : 'usage limit'} that does not exist`);
      continue;
    }
    if (spelledOut && entry.get('value').kind === 'absent') entry.report('must be given as a map with a value');
    const value = entry.kind === 'map' ? entry.get('value') : entry;
    // `value: null` or an empty entry keeps the default.
    if (value.empty) continue;
    const read = readValue(value, definition.valueType, paymentsOf(definition));
    if (read !== undefined) values[name] = read;
  }
  return values;
}

function readExtensions(at: LocatedValue, definitions: Definitions): Record<string, number> {
  const extensions: Record<string, number> = {};
  for (const [name, entry] of named(at)) {
    const limit = Object.hasOwn(definitions.usageLimits, name) ? definitions.usageLimits[name] : undefined;
    if (limit === undefined) {
      if (!definitions.declared.usageLimits.has(name)) entry.report('names a usage limit that does not exist');
      continue;
    }
    if (limit.valueType !== 'NUMERIC') entry.report('extends a usage limit that is not a number');
    const value = entry.get('value');
    if (value.kind === 'absent') entry.report('must be given as a map with a value');
    const extension = value.empty ? undefined : amount(value);
    if (extension !== undefined) extensions[name] = extension;
  }
  return extensions;
}

function readConstraints(at: LocatedValue, scalable: boolean): AddOn['subscriptionConstraints'] | undefined {
  if (at.empty) return scalable ? { minQuantity: 1, maxQuantity: UNLIMITED, quantityStep: 1 } : undefined;
  if (at.kind !== 'map') {
    at.report('must be a map with minQuantity, maxQuantity and quantityStep');
    return undefined;
  }
  const minQuantity = count(at.get('minQuantity'), 0) ?? 1;
  const maxQuantity = count(at.get('maxQuantity'), 0) ?? UNLIMITED;
  const quantityStep = count(at.get('quantityStep'), 1) ?? 1;
  if (maxQuantity < minQuantity) at.get('maxQuantity').report('must not be less than minQuantity');
  if (minQuantity % quantityStep !== 0) at.get('quantityStep').report('must divide minQuantity');
  return { minQuantity, maxQuantity, quantityStep };
}
