/** Whether a value is GeoJSON (RFC 7946): every type, positions within ±180 and ±90, closed rings. */
import { isList, isObject, type Json } from '@polyedge/query/json';
import { own } from '@polyedge/query/own-properties';

/** The depth of nested GeometryCollections. */
const MAX_NESTED = 16;

export const isGeoJson = (value: Json | undefined): boolean => {
  if (!isObject(value ?? null)) return false;
  const object = value as { readonly [name: string]: Json };
  switch (own(object, 'type')) {
    case 'Feature':
      return isFeature(object);
    case 'FeatureCollection':
      return every(own(object, 'features'), (feature) => isObject(feature) && own(feature, 'type') === 'Feature' && isFeature(feature));
    default:
      return isGeometry(object, 0);
  }
};

function isFeature(feature: Json): boolean {
  if (!isObject(feature)) return false;
  const geometry = own(feature, 'geometry') ?? null;
  const properties = own(feature, 'properties') ?? null;
  return (geometry === null || isGeometry(geometry, 0)) && (properties === null || isObject(properties));
}

function isGeometry(value: Json, nested: number): boolean {
  if (!isObject(value)) return false;
  const coordinates = own(value, 'coordinates');
  switch (own(value, 'type')) {
    case 'Point':
      return isPosition(coordinates);
    case 'MultiPoint':
      return every(coordinates, isPosition);
    case 'LineString':
      return isLine(coordinates);
    case 'MultiLineString':
      return every(coordinates, isLine);
    case 'Polygon':
      return isPolygon(coordinates);
    case 'MultiPolygon':
      return every(coordinates, isPolygon);
    case 'GeometryCollection':
      return nested < MAX_NESTED && every(own(value, 'geometries'), (geometry) => isGeometry(geometry, nested + 1));
    default:
      return false;
  }
}

const every = (list: Json | undefined, test: (item: Json) => boolean): boolean =>
  isList(list ?? null) && (list as readonly Json[]).every(test);

const isLine = (value: Json | undefined): boolean =>
  isList(value ?? null) && (value as readonly Json[]).length >= 2 && every(value, isPosition);

const isPolygon = (value: Json | undefined): boolean => every(value, isRing);

function isRing(value: Json): boolean {
  if (!isList(value) || value.length < 4 || !value.every(isPosition)) return false;
  return JSON.stringify(value[0]) === JSON.stringify(value.at(-1));
}

function isPosition(value: Json | undefined): boolean {
  if (!isList(value ?? null)) return false;
  const [longitude, latitude, ...others] = value as readonly Json[];
  if (typeof longitude !== 'number' || typeof latitude !== 'number' || others.length > 1) return false;
  return Math.abs(longitude) <= 180 && Math.abs(latitude) <= 90 && others.every((height) => typeof height === 'number');
}
