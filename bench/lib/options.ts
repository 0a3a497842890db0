/** The command-line options of a benchmark. */
import { parseArgs } from 'node:util';

export interface BenchOptions {
  /** Length of one measurement, after its warm-up. */
  readonly seconds: number;
  /** Seeds payloads and choices, so that two runs send the same. */
  readonly seed: number;
  /** How many times all variants are measured, one after the other. */
  readonly rounds: number;
  /** Measures only the variants whose names contain this. */
  readonly only?: string;
}

/** Parses `--seconds N --seed N --rounds N --only TEXT`; missing options come from `defaults`. */
export function readOptions(defaults: BenchOptions): BenchOptions {
  const { values } = parseArgs({
    options: { seconds: { type: 'string' }, seed: { type: 'string' }, rounds: { type: 'string' }, only: { type: 'string' } },
  });
  return {
    seconds: positive('seconds', values.seconds, defaults.seconds),
    seed: positive('seed', values.seed, defaults.seed),
    rounds: Math.ceil(positive('rounds', values.rounds, defaults.rounds)),
    ...(values.only === undefined ? {} : { only: values.only }),
  };
}

function positive(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  console.error(`--${name} takes a number above 0.`);
  process.exit(1);
}

/** Pseudo-random text of `bytes` letters and digits: the same for the same seed (mulberry32, public domain generator). */
export function seededText(bytes: number, seed: number): string {
  let state = seed | 0;
  let text = '';
  while (text.length < bytes) {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    text += ((mixed ^ (mixed >>> 14)) >>> 0).toString(36);
  }
  return text.slice(0, bytes);
}
