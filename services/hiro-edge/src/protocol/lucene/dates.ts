/**
 * Times in query strings (Elasticsearch date math, as in HIRO's searches): milliseconds, ISO dates, `now`, and either followed by `+1d`,
 * `-2h` and `/d` (after `||` behind a date). All in UTC.
 */

/** The milliseconds of a time: one instant, or a whole day, hour … if the text is no more precise. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

const ISO =
  /^(?<year>\d{4})(?:-(?<month>\d{2})(?:-(?<day>\d{2})(?:[T ](?<hour>\d{2})(?::(?<minute>\d{2})(?::(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?)?)?)?)?(?<zone>Z|[+-]\d{2}(?::?\d{2})?)?$/;
const MATH = /([+-])(\d{1,9})([yMwdhHms])|\/([yMwdhHms])/gy;
/** The most operations in one time. */
const MAX_STEPS = 16;
/** The range of JavaScript's dates. */
const FARTHEST = 8.64e15;

const FIXED: Readonly<Record<string, number>> = { w: 604_800_000, d: 86_400_000, h: 3_600_000, H: 3_600_000, m: 60_000, s: 1000 };

/** Undefined if the text is not a time. @param now milliseconds since 1970 */
export function timeSpan(text: string, now: number): Span | undefined {
  const found = /^now(?<math>.*)$/s.exec(text) ?? /^(?<date>[^|]*?)(?:\|\|(?<math>.*))?$/s.exec(text);
  const { date, math = '' } = found?.groups ?? {};
  const anchor = date === undefined ? { first: now, last: now } : isoSpan(date);
  return anchor === undefined ? undefined : calculated(anchor, math);
}

function isoSpan(text: string): Span | undefined {
  const parts = ISO.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const { year, month, day, hour, minute, second, fraction, zone = 'Z' } = parts;
  // A year alone is a number, which means milliseconds.
  if (month === undefined) return undefined;
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone) ?? [];
  const offset = (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const first = Date.UTC(
    Number(year),
    Number(month) - 1,
    Number(day ?? 1),
    Number(hour ?? 0),
    Number(minute ?? 0),
    Number(second ?? 0),
    Number(`0.${fraction ?? 0}`) * 1000,
  );
  const read = new Date(first);
  // 2020-02-31 does not exist, although Date.UTC accepts it.
  if (read.getUTCMonth() !== Number(month) - 1 || read.getUTCDate() !== Number(day ?? 1) || Number(hour ?? 0) > 23) return undefined;
  if (Number(minute ?? 0) > 59 || Number(second ?? 0) > 59) return undefined;
  const unit =
    day === undefined
      ? 'M'
      : hour === undefined
        ? 'd'
        : minute === undefined
          ? 'h'
          : second === undefined
            ? 'm'
            : fraction === undefined
              ? 's'
              : '';
  const last = unit === '' ? first : added(first, 1, unit) - 1;
  return { first: first - offset, last: last - offset };
}

/** Rounding extends an instant to a whole unit; adding moves it. */
function calculated(anchor: Span, math: string): Span | undefined {
  let span = anchor;
  let end = 0;
  let steps = 0;
  for (const [part, sign, count = '', unit = '', rounding] of math.matchAll(MATH)) {
    end += part.length;
    steps += 1;
    if (steps > MAX_STEPS) return undefined;
    if (rounding !== undefined) {
      const first = floored(span.first, rounding);
      span = { first, last: added(first, 1, rounding) - 1 };
    } else {
      const by = sign === '-' ? -Number(count) : Number(count);
      span = { first: added(span.first, by, unit), last: added(span.last + 1, by, unit) - 1 };
    }
  }
  return end === math.length && Math.abs(span.first) <= FARTHEST && Math.abs(span.last) <= FARTHEST ? span : undefined;
}

function added(at: number, count: number, unit: string): number {
  const fixed = FIXED[unit];
  if (fixed !== undefined) return at + count * fixed;
  const date = new Date(at);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  if (unit === 'y') date.setUTCFullYear(date.getUTCFullYear() + count);
  else date.setUTCMonth(date.getUTCMonth() + count);
  // A month after the 31st is the last day of the next month.
  const days = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, days));
  return date.getTime();
}

function floored(at: number, unit: string): number {
  const date = new Date(at);
  switch (unit) {
    case 'y':
      return Date.UTC(date.getUTCFullYear(), 0);
    case 'M':
      return Date.UTC(date.getUTCFullYear(), date.getUTCMonth());
    case 'w': {
      // Weeks begin on Mondays.
      const day = floored(at, 'd');
      return day - ((new Date(day).getUTCDay() + 6) % 7) * 86_400_000;
    }
    default: {
      const length = FIXED[unit] ?? 1;
      return Math.floor(at / length) * length;
    }
  }
}
