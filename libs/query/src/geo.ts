import type { Position } from './filter.ts';
import { isObject, type Json } from './json.ts';

/** Mean radius of the Earth in metres (IUGG). */
const EARTH_RADIUS_METERS = 6_371_008.8;

/** Degrees below this count as zero (0.1 mm): smaller ones would underflow, which PostgreSQL treats as an error. */
export const SMALLEST_DEGREES = 1e-9;

export const RADIANS_PER_DEGREE = Math.PI / 180;

/**
 * Coefficients of the series of the sine, highest power first, exact to a few units in the last place up to 90°.
 *
 * Only + − × ÷ on doubles give the same bits everywhere; the sines of two math libraries differ. So both compilers compute
 * the sine themselves, in the same order of operations, and agree on every point.
 */
export const SINE_COEFFICIENTS: readonly number[] = [21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1].map(
  (power) => (power % 4 === 1 ? 1 : -1) / Array.from({ length: power }, (_, at) => at + 1).reduce((product, n) => product * n, 1),
);

export function clamp(degrees: number): number {
  return Math.abs(degrees) < SMALLEST_DEGREES ? 0 : degrees;
}

/** The position of a GeoJSON Point with longitude and latitude in range; undefined for anything else. */
export function pointOf(value: Json | undefined): Position | undefined {
  if (!isObject(value) || !Object.hasOwn(value, 'type') || value.type !== 'Point' || !Object.hasOwn(value, 'coordinates')) return undefined;
  const coordinates = value.coordinates;
  if (!Array.isArray(coordinates)) return undefined;
  const [longitude, latitude]: readonly Json[] = coordinates;
  if (typeof longitude !== 'number' || typeof latitude !== 'number') return undefined;
  if (Math.abs(longitude) > 180 || Math.abs(latitude) > 90) return undefined;
  return [clamp(longitude), clamp(latitude)];
}

/**
 * A measure of the distance between two points that grows with it: the haversine, 0 for the same place, 1 for the opposite one.
 * Comparing measures compares distances.
 */
export function haversine(from: Position, to: Position): number {
  const sineLatitude = sineOfHalf(clamp(Math.abs(to[1] - from[1])));
  const difference = Math.abs(to[0] - from[0]);
  const sineLongitude = sineOfHalf(clamp(difference > 180 ? 360 - difference : difference));
  return sineLatitude * sineLatitude + cosine(from[1]) * cosine(to[1]) * sineLongitude * sineLongitude;
}

/** The haversine of a distance; 2 (matches everything) from half the Earth's circumference on. */
export function haversineOfMeters(meters: number): number {
  const angle = meters / EARTH_RADIUS_METERS / 2;
  return angle >= Math.PI / 2 ? 2 : Math.sin(angle) ** 2;
}

export function cosine(degrees: number): number {
  const sine = sineOfHalf(Math.abs(degrees));
  return 1 - 2 * sine * sine;
}

/** Sine of half an angle from 0 to 180 degrees. */
function sineOfHalf(degrees: number): number {
  const angle = (degrees * RADIANS_PER_DEGREE) / 2;
  const square = angle * angle;
  let sum = 0;
  for (const coefficient of SINE_COEFFICIENTS) sum = sum * square + coefficient;
  return sum * angle;
}

/** Whether a point lies in a box; west above east crosses the antimeridian. */
export function inBox(point: Position, [west, south, east, north]: readonly [number, number, number, number]): boolean {
  const [longitude, latitude] = point;
  if (latitude < clamp(south) || latitude > clamp(north)) return false;
  const afterWest = longitude >= clamp(west);
  const beforeEast = longitude <= clamp(east);
  return west <= east ? afterWest && beforeEast : afterWest || beforeEast;
}

/** One side of a ring, from one corner to the one before it. */
export interface Side {
  readonly x: number;
  readonly y: number;
  readonly previousX: number;
  readonly previousY: number;
}

/** All sides of all rings; an open ring is closed. */
export function sidesOf(polygon: readonly (readonly Position[])[]): readonly Side[] {
  return polygon.flatMap((ring) =>
    ring.flatMap((corner, at) => {
      const previous = ring[at === 0 ? ring.length - 1 : at - 1] ?? corner;
      return [{ x: clamp(corner[0]), y: clamp(corner[1]), previousX: clamp(previous[0]), previousY: clamp(previous[1]) }];
    }),
  );
}

/** The even-odd rule: a ray to the east crosses the sides an odd number of times. */
export function insideSides([longitude, latitude]: Position, sides: readonly Side[]): boolean {
  let inside = false;
  for (const { x, y, previousX, previousY } of sides) {
    if (y > latitude !== previousY > latitude && longitude < ((previousX - x) * (latitude - y)) / (previousY - y) + x) inside = !inside;
  }
  return inside;
}
