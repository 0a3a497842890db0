import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Json } from '@polyedge/query/json';
import { isGeoJson } from './geojson.ts';
import { problemOfState } from './type-rules.ts';

const ring: readonly Json[] = [
  [0, 0],
  [1, 0],
  [1, 1],
  [0, 0],
];
const good: readonly Json[] = [
  { type: 'Point', coordinates: [12.5, -7, 300] },
  { type: 'MultiPoint', coordinates: [[1, 2]] },
  {
    type: 'LineString',
    coordinates: [
      [1, 2],
      [3, 4],
    ],
  },
  { type: 'MultiLineString', coordinates: [ring] },
  { type: 'Polygon', coordinates: [ring] },
  { type: 'MultiPolygon', coordinates: [[ring]] },
  { type: 'GeometryCollection', geometries: [{ type: 'Point', coordinates: [0, 0] }] },
  { type: 'Feature', geometry: null, properties: null },
  { type: 'FeatureCollection', features: [{ type: 'Feature', geometry: { type: 'Point', coordinates: [0, 0] }, properties: { a: 1 } }] },
];
const bad: readonly Json[] = [
  null,
  'Point',
  [],
  {},
  { type: 'Point' },
  { type: 'Point', coordinates: [181, 0] },
  { type: 'Point', coordinates: [0, -91] },
  { type: 'Point', coordinates: ['0', 0] },
  { type: 'LineString', coordinates: [[1, 2]] },
  { type: 'Polygon', coordinates: [ring.slice(0, 3)] },
  { type: 'Polygon', coordinates: [[...ring.slice(0, 3), [0, 1]]] },
  { type: 'Circle', coordinates: [0, 0] },
  { type: 'FeatureCollection', features: [{ type: 'Point', coordinates: [0, 0] }] },
];

test('every type of RFC 7946 is GeoJSON', () => {
  for (const value of good) assert.ok(isGeoJson(value), JSON.stringify(value));
});

test('open rings, far positions and everything else are not GeoJSON', () => {
  for (const value of bad) assert.ok(!isGeoJson(value), JSON.stringify(value));
});

test('a Saga property named geoJSON must contain GeoJSON, whoever writes it, and _defaults an object', () => {
  const state = (name: string, value: Json) => problemOfState({ type: 'saga/Property', attributes: { name, value } });
  assert.equal(state('geoJSON', { type: 'Point', coordinates: [0, 0] }), undefined);
  assert.match(state('geoJSON', 7) ?? '', /^value: /);
  assert.match(state('_defaults', []) ?? '', /^value: /);
  assert.equal(state('_defaults', { a: 1 }), undefined);
  assert.equal(state('other', 7), undefined);
});
