/** The sections `features` and `usageLimits`. */
import { boolean, count, named, oneOf, present, references, text, texts, worth } from './fields.ts';
import {
  AUTOMATION_TYPES,
  FEATURE_TYPES,
  type Feature,
  INTEGRATION_TYPES,
  PAYMENT_TYPES,
  PERIOD_UNITS,
  RENDERINGS,
  type UsageLimit,
} from './pricing.ts';
import type { At } from './source.ts';

const VALUE_TYPES = ['BOOLEAN', 'NUMERIC', 'TEXT'] as const;

export function readFeatures(at: At): Record<string, Feature> {
  if (at.empty) at.report('is required');
  const features: Record<string, Feature> = {};
  for (const [name, value] of named(at)) {
    const feature = readFeature(name, value);
    if (feature !== undefined) features[name] = feature;
  }
  return features;
}

function readFeature(name: string, at: At): Feature | undefined {
  if (at.kind !== 'map') {
    at.report('must be a map with type, valueType and defaultValue');
    return undefined;
  }
  const type = required(at.get('type'), FEATURE_TYPES);
  const valueType = required(at.get('valueType'), VALUE_TYPES);
  const integrationType = oneOf(at.get('integrationType'), INTEGRATION_TYPES);
  const automationType = oneOf(at.get('automationType'), AUTOMATION_TYPES);
  if (type === 'INTEGRATION' && at.get('integrationType').empty) at.get('integrationType').report('is required for type INTEGRATION');
  if (type === 'AUTOMATION' && at.get('automationType').empty) at.get('automationType').report('is required for type AUTOMATION');
  if (type === 'PAYMENT' && valueType !== undefined && valueType !== 'TEXT') at.get('valueType').report('must be TEXT for type PAYMENT');
  const defaultValue = at.get('defaultValue');
  if (defaultValue.empty) defaultValue.report('is required');
  const value = defaultValue.empty ? undefined : worth(defaultValue, valueType, type === 'PAYMENT' ? PAYMENT_TYPES : undefined);
  if (type === undefined || valueType === undefined || value === undefined) return undefined;
  return {
    name,
    type,
    valueType,
    defaultValue: value,
    render: oneOf(at.get('render'), RENDERINGS) ?? 'AUTO',
    ...present({
      description: text(at.get('description')),
      integrationType,
      pricingUrls: texts(at.get('pricingUrls')),
      automationType,
      docUrl: text(at.get('docUrl')),
      expression: text(at.get('expression')),
      serverExpression: text(at.get('serverExpression')),
      tag: text(at.get('tag')),
    }),
  };
}

export function readUsageLimits(at: At, features: ReadonlySet<string>): Record<string, UsageLimit> {
  const limits: Record<string, UsageLimit> = {};
  for (const [name, value] of named(at)) {
    const limit = readUsageLimit(name, value, features);
    if (limit !== undefined) limits[name] = limit;
  }
  return limits;
}

function readUsageLimit(name: string, at: At, features: ReadonlySet<string>): UsageLimit | undefined {
  if (at.kind !== 'map') {
    at.report('must be a map with type, valueType and defaultValue');
    return undefined;
  }
  const type = required(at.get('type'), ['RENEWABLE', 'NON_RENEWABLE']);
  const valueType = required(at.get('valueType'), VALUE_TYPES);
  const defaultValue = at.get('defaultValue');
  if (defaultValue.empty) defaultValue.report('is required');
  const value = defaultValue.empty ? undefined : worth(defaultValue, valueType);
  const trackable = boolean(at.get('trackable'));
  const period = readPeriod(at.get('period'));
  const linkedFeatures = references(at.get('linkedFeatures'), features, 'feature');
  if (type === undefined || valueType === undefined || value === undefined) return undefined;
  return {
    name,
    type,
    valueType,
    defaultValue: value,
    render: oneOf(at.get('render'), RENDERINGS) ?? 'AUTO',
    ...(type === 'RENEWABLE' ? { period: period ?? { value: 1, unit: 'MONTH' as const } } : { trackable: trackable ?? false }),
    ...present({ description: text(at.get('description')), unit: text(at.get('unit')), linkedFeatures }),
  };
}

function readPeriod(at: At): UsageLimit['period'] | undefined {
  if (at.empty) return undefined;
  if (at.kind !== 'map') {
    at.report('must be a map with value and unit');
    return undefined;
  }
  return { value: count(at.get('value'), 1) ?? 1, unit: oneOf(at.get('unit'), PERIOD_UNITS) ?? 'MONTH' };
}

function required<const Word extends string>(at: At, words: readonly Word[]): Word | undefined {
  if (at.empty) at.report(`is required: one of ${words.join(', ')}`);
  return oneOf(at, words);
}
