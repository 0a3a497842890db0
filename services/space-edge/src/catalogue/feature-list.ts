/** The list of all features of an organization's pricings: what a request asks for, and in which order. */
import type { JsonObject } from '@polyedge/query/json';
import { type Fields, servicePage } from '../protocol/fields.ts';
import type { Service, Versions } from './service.ts';

export interface ListedFeature {
  readonly info: JsonObject;
  readonly service: string;
  readonly pricingVersion: string;
}

export interface FeatureQuery {
  readonly offset: number;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
  readonly sort: 'featureName' | 'serviceName';
  readonly show: 'active' | 'archived' | 'all';
  readonly feature: (info: JsonObject) => boolean;
  readonly service: (name: string) => boolean;
  readonly version: (version: string) => boolean;
}

/** Filters are parts of a name, in any case. Words that are not known count as not given. */
export function parseFeatureQuery(query: Fields): FeatureQuery {
  const contains = (name: string): ((text: string) => boolean) => {
    const part = query[name];
    if (typeof part !== 'string' || part === '') return () => true;
    const folded = part.toLowerCase();
    return (text) => text.toLowerCase().includes(folded);
  };
  const feature = contains('featureName');
  return {
    ...servicePage(query),
    sort: query.sort === 'featureName' ? 'featureName' : 'serviceName',
    show: query.show === 'archived' || query.show === 'all' ? query.show : 'active',
    feature: (info) => feature(nameOf(info)),
    service: contains('serviceName'),
    version: contains('pricingVersion'),
  };
}

/** The pricings to look into. */
export function showsOf(
  services: readonly Service[],
  { show, service, version }: FeatureQuery,
): readonly { readonly service: string; readonly id: string }[] {
  return services.flatMap(({ name, active, archived }) => {
    if (!service(name)) return [];
    const shown: readonly Versions[] = [...(show === 'archived' ? [] : [active]), ...(show === 'active' ? [] : [archived ?? {}])];
    return shown.flatMap((versions) =>
      Object.entries(versions).flatMap(([written, { id }]) => (version(written) ? [{ service: name, id }] : [])),
    );
  });
}

/** By feature or service, and always in the same order where these are equal. */
export function sortFeatures(features: readonly ListedFeature[], { sort, order }: Pick<FeatureQuery, 'sort' | 'order'>): ListedFeature[] {
  const sign = order === 'asc' ? 1 : -1;
  const byFeature = (one: ListedFeature, other: ListedFeature): number => nameOf(one.info).localeCompare(nameOf(other.info));
  const byService = (one: ListedFeature, other: ListedFeature): number =>
    one.service.localeCompare(other.service) || one.pricingVersion.localeCompare(other.pricingVersion);
  const [first, then] = sort === 'featureName' ? [byFeature, byService] : [byService, byFeature];
  return features.toSorted((one, other) => sign * first(one, other) || then(one, other));
}

const nameOf = ({ name }: JsonObject): string => (typeof name === 'string' ? name : '');
