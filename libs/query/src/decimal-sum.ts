/** Sums and means of decimals, exact at any size: what doubles would round away is not lost on the way. */
import { parseJson } from './json-text.ts';

/** Digits behind the point of a mean that is no whole number; a double has 17 in all. */
const MEAN_DIGITS = 25;

/** @param decimals texts that `isDecimal` accepts @returns a number; undefined for results beyond 2^53 with a fraction, which no JSON number of ours is */
export function sumOf(decimals: readonly string[]): number | bigint | undefined {
  const { units, scale } = scaledSum(decimals);
  return numberOf(units, scale);
}

/** The same for the mean of one or more. */
export function meanOf(decimals: readonly string[]): number | bigint | undefined {
  const { units, scale } = scaledSum(decimals);
  const shifted = units * 10n ** BigInt(MEAN_DIGITS);
  const count = BigInt(decimals.length);
  // Half up, away from zero; behind the digits that a double has.
  const half = (shifted < 0n ? -count : count) / 2n;
  return numberOf((shifted + half) / count, scale + MEAN_DIGITS);
}

/** The sum in units of the last place that any of them has. */
function scaledSum(decimals: readonly string[]): { readonly units: bigint; readonly scale: number } {
  const parts = decimals.map((decimal) => decimal.split('.'));
  const scale = parts.reduce((most, [, fraction = '']) => Math.max(most, fraction.length), 0);
  let units = 0n;
  for (const [whole = '', fraction = ''] of parts) units += BigInt((whole + fraction.padEnd(scale, '0')).replace(/^\+/, ''));
  return { units, scale };
}

function numberOf(units: bigint, scale: number): number | bigint | undefined {
  const text = String(units < 0n ? -units : units).padStart(scale + 1, '0');
  const whole = text.slice(0, text.length - scale);
  const fraction = text.slice(text.length - scale).replace(/0+$/, '');
  const parsed = parseJson(`${units < 0n ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`);
  return parsed.ok && (typeof parsed.value === 'number' || typeof parsed.value === 'bigint') ? parsed.value : undefined;
}
