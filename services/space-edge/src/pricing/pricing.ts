/** A pricing as Pricing2Yaml 3.0 defines it, checked and with defaults filled in. Plain JSON, so that it can be an element's attributes. */
import type { Json } from '@polyedge/query/json';

export type ValueType = 'BOOLEAN' | 'NUMERIC' | 'TEXT';
/** The value of a feature or limit. A list of texts is the value of a PAYMENT feature. */
export type Worth = boolean | number | string | readonly string[];

export const FEATURE_TYPES = [
  'INFORMATION',
  'INTEGRATION',
  'DOMAIN',
  'AUTOMATION',
  'MANAGEMENT',
  'GUARANTEE',
  'SUPPORT',
  'PAYMENT',
] as const;
export const INTEGRATION_TYPES = ['API', 'EXTENSION', 'IDENTITY_PROVIDER', 'WEB_SAAS', 'MARKETPLACE', 'EXTERNAL_DEVICE'] as const;
export const AUTOMATION_TYPES = ['BOT', 'FILTERING', 'TRACKING', 'TASK_AUTOMATION'] as const;
const PAYMENT_TYPES = ['CARD', 'GATEWAY', 'INVOICE', 'ACH', 'WIRE_TRANSFER', 'OTHER'] as const;
/** The allowed items of a feature's value, if it is a PAYMENT feature. */
export const paymentsOf = (feature: {
  readonly type?: string | undefined;
  readonly valueType?: ValueType | undefined;
}): typeof PAYMENT_TYPES | undefined => (feature.type === 'PAYMENT' && feature.valueType === 'TEXT' ? PAYMENT_TYPES : undefined);

export const RENDERINGS = ['AUTO', 'ENABLED', 'DISABLED'] as const;
export const PERIOD_UNITS = ['SEC', 'MIN', 'HOUR', 'DAY', 'MONTH', 'YEAR'] as const;

export type Feature = {
  readonly name: string;
  readonly description?: string;
  readonly type: (typeof FEATURE_TYPES)[number];
  readonly valueType: ValueType;
  readonly defaultValue: Worth;
  readonly integrationType?: (typeof INTEGRATION_TYPES)[number];
  readonly pricingUrls?: readonly string[];
  readonly automationType?: (typeof AUTOMATION_TYPES)[number];
  readonly docUrl?: string;
  /** Alternative spellings of these two in public files, kept as written. */
  readonly pricingURLs?: string | readonly string[];
  readonly docURL?: string | readonly string[];
  readonly expression?: string;
  readonly serverExpression?: string;
  readonly tag?: string;
  readonly render: (typeof RENDERINGS)[number];
};

export type UsageLimit = {
  readonly name: string;
  readonly description?: string;
  readonly valueType: ValueType;
  readonly defaultValue: Worth;
  readonly unit: string;
  readonly type: 'RENEWABLE' | 'NON_RENEWABLE';
  /** Only for a renewable limit. */
  readonly period?: { readonly value: number; readonly unit: (typeof PERIOD_UNITS)[number] };
  /** Only for a limit that is not renewable. */
  readonly trackable?: boolean;
  readonly linkedFeatures?: readonly string[];
  readonly render: (typeof RENDERINGS)[number];
};

/** A number, or free text such as "Contact us". Formulas have been evaluated to numbers. */
export type Price = number | string;

type Offer = {
  readonly name: string;
  readonly description?: string;
  readonly price: Price;
  /** From older files, in addition to a price. */
  readonly monthlyPrice?: Price;
  readonly annualPrice?: Price;
  readonly unit: string;
  readonly private: boolean;
  /** Only the values that the file sets; `published` fills in the defaults. */
  readonly features: Readonly<Record<string, Worth>>;
  readonly usageLimits: Readonly<Record<string, Worth>>;
};

export type Plan = Offer;

export type AddOn = Offer & {
  readonly availableFor: readonly string[];
  readonly dependsOn: readonly string[];
  readonly excludes: readonly string[];
  readonly usageLimitsExtensions: Readonly<Record<string, number>>;
  readonly subscriptionConstraints?: { readonly minQuantity: number; readonly maxQuantity: number; readonly quantityStep: number };
};

export type Pricing = {
  readonly syntaxVersion: '3.0' | '3.1';
  readonly saasName: string;
  readonly version: string;
  /** `yyyy-mm-dd`. */
  readonly createdAt: string;
  readonly currency: string;
  readonly url?: string;
  readonly tags?: readonly string[];
  readonly billing?: Readonly<Record<string, number>>;
  readonly variables?: Readonly<Record<string, number | string | boolean>>;
  readonly custom?: Json;
  readonly features: Readonly<Record<string, Feature>>;
  readonly usageLimits: Readonly<Record<string, UsageLimit>>;
  readonly plans: Readonly<Record<string, Plan>>;
  readonly addOns: Readonly<Record<string, AddOn>>;
};

/** The number for "unlimited": larger ones, including infinity, are clamped to it (as in SPACE and Pricing4TS 0.10). */
export const UNLIMITED = 100_000_000;
