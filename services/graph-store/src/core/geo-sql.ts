import type { GeoCondition, Position } from '@polyedge/query/filter';
import { clamp, cosine, haversineOfMeters, RADIANS_PER_DEGREE, SINE_COEFFICIENTS, SMALLEST_DEGREES, sidesOf } from '@polyedge/query/geo';
import type { SqlParameters } from './sql-parameters.ts';

/*
 * The arithmetic of @polyedge/query/geo, operation by operation. `offset 0` prevents the planner from inlining the steps, which would
 * compute each intermediate result hundreds of times.
 */

/** A condition on the GeoJSON Point in a jsonb expression. */
export function geoSql(json: string, condition: GeoCondition, parameters: SqlParameters): string {
  switch (condition.test) {
    case 'near': {
      const limit = parameters.float(haversineOfMeters(condition.maxMeters));
      return `coalesce(${haversineSql(json, condition.point, parameters)} <= ${limit}, false)`;
    }
    case 'within': {
      const [west, south, east, north] = condition.box.map((degrees) => parameters.float(clamp(degrees)));
      const crossing = condition.box[0] > condition.box[2];
      return (
        `exists (select from ${pointSql(json)} where point.y >= ${south} and point.y <= ${north} and ` +
        `(point.x >= ${west} ${crossing ? 'or' : 'and'} point.x <= ${east}))`
      );
    }
    case 'inside': {
      const sides = sidesOf(condition.polygon);
      const column = (pick: (side: (typeof sides)[number]) => number): string => parameters.floats(sides.map(pick));
      const rows = [column((side) => side.x), column((side) => side.y), column((side) => side.previousX), column((side) => side.previousY)];
      // The case avoids the division by zero for horizontal sides.
      return (
        `exists (select from ${pointSql(json)} where (select count(*) from unnest(${rows.join(', ')}) as side(x, y, px, py) where ` +
        'case when (side.y > point.y) <> (side.py > point.y) ' +
        'then point.x < (((side.px - side.x) * (point.y - side.y)) / (side.py - side.y)) + side.x else false end) % 2 = 1)'
      );
    }
  }
}

/** The haversine of the distance between a Point and a position as float8; null if there is no Point. */
export function haversineSql(json: string, from: Position, parameters: SqlParameters): string {
  const latitude = parameters.float(from[1]);
  const longitude = parameters.float(from[0]);
  const half = (degrees: string): string => `(${degrees} * ${literal(RADIANS_PER_DEGREE)}) / 2::float8`;
  return (
    '(select sine.a * sine.a + ' +
    `${parameters.float(cosine(from[1]))} * (1::float8 - 2::float8 * sine.c * sine.c) * sine.b * sine.b ` +
    `from ${pointSql(json)} ` +
    `cross join lateral (select abs(point.y - ${latitude}) as a, abs(point.x - ${longitude}) as b offset 0) as raw ` +
    `cross join lateral (select ${clampSql('raw.a')} as a, ` +
    `${clampSql('(case when raw.b > 180::float8 then 360::float8 - raw.b else raw.b end)')} as b, abs(point.y) as c offset 0) as degrees ` +
    `cross join lateral (select ${half('degrees.a')} as a, ${half('degrees.b')} as b, ${half('degrees.c')} as c offset 0) as angle ` +
    `cross join lateral (select ${sineSql('angle.a')} as a, ${sineSql('angle.b')} as b, ${sineSql('angle.c')} as c offset 0) as sine)`
  );
}

/** A table with one row (x, y) if the expression is a Point in range, else empty. */
function pointSql(json: string): string {
  const coordinates = `(${json} -> 'coordinates')`;
  // For `->` a scalar is its own element 0, hence the check for a list.
  return (
    `(select ${clampSql('read.x')} as x, ${clampSql('read.y')} as y from (select ` +
    `case when ${json} -> 'type' = '"Point"'::jsonb and jsonb_typeof(${coordinates}) = 'array' ` +
    `and jsonb_typeof(${coordinates} -> 0) = 'number' then (${coordinates} -> 0)::float8 end as x, ` +
    `case when jsonb_typeof(${coordinates} -> 1) = 'number' then (${coordinates} -> 1)::float8 end as y offset 0) as read ` +
    'where abs(read.x) <= 180::float8 and abs(read.y) <= 90::float8 offset 0) as point'
  );
}

function clampSql(degrees: string): string {
  return `(case when abs(${degrees}) < ${literal(SMALLEST_DEGREES)} then 0::float8 else ${degrees} end)`;
}

function sineSql(angle: string): string {
  const square = `(${angle} * ${angle})`;
  const sum = SINE_COEFFICIENTS.map(literal).reduce((inner, coefficient) => `(${inner} * ${square} + ${coefficient})`);
  return `${sum} * ${angle}`;
}

/** For our own constants only, never for values of a client. */
function literal(value: number): string {
  return `'${value}'::float8`;
}
