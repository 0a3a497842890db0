/** The sections `features` and `usageLimits`. */
import {
  boolean,
  count,
  description,
  named,
  oneOf,
  present,
  readValue,
  references,
  text,
  unit,
  webAddress,
  webAddresses,
} from './fields.ts';
import {
  AUTOMATION_TYPES,
  FEATURE_TYPES,
  type Feature,
  INTEGRATION_TYPES,
  PERIOD_UNITS,
  paymentsOf,
  RENDERINGS,
  type UsageLimit,
} from './pricing.ts';
import type { LocatedValue } from './source.ts';

const VALUE_TYPES = ['BOOLEAN', 'NUMERIC', 'TEXT'] as const;

/** @param tags the tags of the pricing, one of which a feature may have */
export function readFeatures(at: LocatedValue, tags: readonly string[]): Record<string, Feature> {
  if (at.empty) at.report('is required');
  const features: Record<string, Feature> = {};
  for (const [name, value] of named(at)) {
    const feature = readFeature(name, value, tags);
    if (feature !== undefined) features[name] = feature;
  }
  return features;
}

function readFeature(name: string, at: LocatedValue, tags: readonly string[]): Feature | undefined {
  if (at.kind !== 'map') {
    at.report('must be a map with type, valueType and defaultValue');
    return undefined;
  }
  const type = required(at.get('type'), FEATURE_TYPES);
  const valueType = required(at.get('valueType'), VALUE_TYPES);
  const integrationType = oneOf(at.get('integrationType'), INTEGRATION_TYPES);
  const automationType = oneOf(at.get('automationType'), AUTOMATION_TYPES);
  if (type === 'INTEGRATION' && integrationType === undefined) at.get('integrationType').report('is required for type INTEGRATION');
  if (type === 'AUTOMATION' && automationType === undefined) at.get('automationType').report('is required for type AUTOMATION');
  const defaultValue = at.get('defaultValue');
  if (defaultValue.empty) defaultValue.report('is required');
  const value = defaultValue.empty ? undefined : readValue(defaultValue, valueType, paymentsOf({ type, valueType }));
  const tag = at.get('tag');
  if (!tag.empty && tag.scalar !== '' && !tags.some((known) => known === tag.scalar)) tag.report('must be one of the tags of the pricing');
  const pricingUrls = webAddresses(at.get('pricingUrls'));
  const docUrl = webAddress(at.get('docUrl'));
  if (type === undefined || valueType === undefined || value === undefined) return undefined;
  return {
    name,
    type,
    valueType,
    defaultValue: value,
    render: oneOf(at.get('render'), RENDERINGS) ?? 'AUTO',
    ...present({
      description: description(at.get('description')),
      integrationType,
      // Each kind of URL applies to one kind of feature, and is left out of all others.
      pricingUrls: type === 'INTEGRATION' && integrationType === 'WEB_SAAS' ? pricingUrls : undefined,
      automationType,
      docUrl: type === 'GUARANTEE' ? docUrl : undefined,
      pricingURLs: asWritten(at.get('pricingURLs')),
      docURL: asWritten(at.get('docURL')),
      expression: readExpression(at.get('expression')),
      serverExpression: readExpression(at.get('serverExpression')),
      tag: text(tag),
    }),
  };
}

/** `expression: true` is valid, like `expression: "true"`. */
function readExpression(at: LocatedValue): string | undefined {
  const expression = at.kind === 'boolean' || at.kind === 'number' ? at.written : text(at);
  if (expression?.trim() === '') at.report('must not be empty: leave it out instead');
  return expression;
}

/** A field under an older name: it is kept but has no effect. */
function asWritten(at: LocatedValue): string | readonly string[] | undefined {
  const one = (item: LocatedValue): readonly string[] => (typeof item.scalar === 'string' ? [item.scalar] : []);
  return at.kind === 'list' ? at.items().flatMap(one) : one(at)[0];
}

export function readUsageLimits(at: LocatedValue, features: ReadonlySet<string>): Record<string, UsageLimit> {
  const limits: Record<string, UsageLimit> = {};
  for (const [name, value] of named(at)) {
    const limit = readUsageLimit(name, value, features);
    if (limit !== undefined) limits[name] = limit;
  }
  return limits;
}

function readUsageLimit(name: string, at: LocatedValue, features: ReadonlySet<string>): UsageLimit | undefined {
  if (at.kind !== 'map') {
    at.report('must be a map with type, valueType and defaultValue');
    return undefined;
  }
  const type = required(at.get('type'), ['RENEWABLE', 'NON_RENEWABLE']);
  const valueType = required(at.get('valueType'), VALUE_TYPES);
  const defaultValue = at.get('defaultValue');
  if (defaultValue.empty) defaultValue.report('is required');
  const value = defaultValue.empty ? undefined : readValue(defaultValue, valueType);
  const trackable = readTrackable(at.get('trackable'));
  const period = readPeriod(at.get('period'));
  const links = at.get('linkedFeatures');
  const linkedFeatures = links.kind === 'list' ? references(links, features, 'feature') : undefined;
  if (type === undefined || valueType === undefined || value === undefined) return undefined;
  return {
    name,
    type,
    valueType,
    defaultValue: value,
    render: oneOf(at.get('render'), RENDERINGS) ?? 'AUTO',
    ...(type === 'RENEWABLE' ? { period: period ?? { value: 1, unit: 'MONTH' as const } } : { trackable: trackable ?? false }),
    unit: unit(at.get('unit')),
    ...present({ description: description(at.get('description')), linkedFeatures }),
  };
}

function readTrackable(at: LocatedValue): boolean | undefined {
  return typeof at.scalar === 'string' ? at.scalar.toLowerCase() === 'true' : boolean(at);
}

function readPeriod(at: LocatedValue): UsageLimit['period'] | undefined {
  if (at.empty) return undefined;
  return { value: count(at.get('value'), 1) ?? 1, unit: oneOf(at.get('unit'), PERIOD_UNITS) ?? 'MONTH' };
}

function required<const Word extends string>(at: LocatedValue, words: readonly Word[]): Word | undefined {
  if (at.empty) at.report(`is required: one of ${words.join(', ')}`);
  return oneOf(at, words);
}
