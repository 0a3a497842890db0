/**
 * Upgrades pricings of the syntax versions 1.0, 1.1, 2.0 and 2.1 to 3.0, one version after the other. Values that a step cannot handle are
 * reported at their place, like all other problems of a file.
 */
import type { LocatedValue } from './source.ts';

/** The versions that can be upgraded, oldest first. Up to 2.0 a file names its syntax in `version`, since 2.1 in `syntaxVersion`. */
export const OLDER_VERSIONS = ['1.0', '1.1', '2.0', '2.1'] as const;
export type OlderVersion = (typeof OLDER_VERSIONS)[number];

/** Changes the document that `root` belongs to. */
export function upgrade(root: LocatedValue, from: OlderVersion): void {
  const steps = [oneDayField, onePrice, versionOfItsOwn, renewableLimits];
  for (const step of steps.slice(OLDER_VERSIONS.indexOf(from))) step(root);
}

/** 1.1: `createdAt` instead of `day`, `month` and `year`. */
function oneDayField(root: LocatedValue): void {
  const [year, month, day] = ['year', 'month', 'day'].map((name) => {
    const { scalar } = root.get(name);
    if (typeof scalar !== 'number') root.get(name).report('must be a number: day, month and year are the date of creation');
    return typeof scalar === 'number' ? scalar : Number.NaN;
  });
  const at = new Date(Date.UTC(year ?? 0, (month ?? 0) - 1, day));
  if (!Number.isNaN(at.getTime())) root.put('createdAt', at.toISOString().slice(0, 10));
}

/** 2.0: one `price`, and factors for other billing periods under `billing`, instead of `monthlyPrice` and `annualPrice`. */
function onePrice(root: LocatedValue): void {
  const billing: Record<string, number> = {};
  // Factors of earlier offers take precedence.
  const add = (factors: Readonly<Record<string, number>>): void => void Object.assign(billing, { ...factors, ...billing });
  for (const [, plan] of root.get('plans').entries()) {
    const monthly = plan.get('monthlyPrice');
    const annual = plan.get('annualPrice');
    if (monthly.scalar && annual.scalar) {
      const factor = annualFactor(monthly, annual);
      add(factor === undefined ? { monthly: 1 } : { monthly: 1, annual: factor });
    } else add(monthly.empty ? { annual: 1 } : { monthly: 1 });
    movePrice(plan);
  }
  for (const [, addOn] of root.get('addOns').entries()) {
    if (!addOn.get('price').empty) continue;
    add(addOn.get('monthlyPrice').empty ? { annual: 1 } : { monthly: 1 });
    movePrice(addOn);
  }
  if (Object.keys(billing).length > 0) root.put('billing', billing);
}

/** The price of a year relative to twelve months. The annual price is per month, unless it is the higher one. */
function annualFactor(monthly: LocatedValue, annual: LocatedValue): number | undefined {
  const [month, year] = [monthly.scalar, annual.scalar];
  if (typeof month === 'string' && typeof year === 'string') return undefined;
  if (typeof month !== 'number' || typeof year !== 'number') {
    annual.report('must be a number, as monthlyPrice must be, or both a text');
    return undefined;
  }
  return year > month ? year / (month * 12) : year / month;
}

function movePrice(offer: LocatedValue): void {
  const monthly = offer.get('monthlyPrice').scalar;
  const price = monthly ?? offer.get('annualPrice').scalar;
  if (price === undefined) offer.report('needs a monthlyPrice or an annualPrice');
  offer.put('price', price ?? 0);
  offer.remove('monthlyPrice');
  offer.remove('annualPrice');
}

/** 2.1: `version` is that of the pricing and not of the syntax. It becomes the default version: the day of creation. */
function versionOfItsOwn(root: LocatedValue): void {
  root.remove('version');
}

/** 3.0: new types of limits, add-ons with a quantity, and new names of the contexts in expressions. */
function renewableLimits(root: LocatedValue): void {
  for (const [, limit] of root.get('usageLimits').entries()) {
    const type = limit.get('type');
    switch (type.scalar) {
      case 'TIME_DRIVEN':
        limit.put('type', 'RENEWABLE');
        limit.put('period', { value: 1, unit: 'MONTH' });
        break;
      case 'RESPONSE_DRIVEN':
        limit.put('type', 'NON_RENEWABLE');
        limit.put('trackable', false);
        break;
      case 'RENEWABLE':
      case 'NON_RENEWABLE':
        break;
      default:
        type.report('must be one of RENEWABLE, NON_RENEWABLE, TIME_DRIVEN, RESPONSE_DRIVEN');
    }
  }
  for (const [, addOn] of root.get('addOns').entries()) {
    const emptied = ['features', 'usageLimits'].some((section) => addOn.get(section).kind === 'map' && isEmpty(addOn.get(section)));
    const extends_ = !isEmpty(addOn.get('usageLimitsExtensions'));
    if ((emptied || extends_) && addOn.get('subscriptionConstraints').empty) addOn.put('subscriptionConstraints', {});
  }
  for (const [, feature] of root.get('features').entries()) {
    for (const name of ['expression', 'serverExpression']) {
      const { scalar } = feature.get(name);
      if (typeof scalar === 'string') feature.put(name, renamed(scalar));
    }
  }
}

const isEmpty = (at: LocatedValue): boolean => at.entries().length === 0;

const renamed = (expression: string): string =>
  expression.replaceAll('planContext', 'pricingContext').replaceAll('userContext', 'subscriptionContext');
