/** Runs rounds of measurements and reports them as a table or list, goals and JSON. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import type { BenchOptions } from './options.ts';
import { median } from './statistics.ts';

/** The result of one measurement; figures that do not apply are left out. CPU is microseconds per unit of work, rates are units per second. */
export interface Sample {
  readonly cpuUs?: number;
  readonly rate?: number;
  readonly p50Ms?: number;
  readonly p99Ms?: number;
  readonly memoryMiB?: number;
  readonly kibPerConnection?: number;
  readonly bytesPerUnit?: number;
  readonly lost?: number;
  readonly duplicates?: number;
  /** Events of one element in the wrong order. */
  readonly inversions?: number;
  /** The share of one core used by the busiest process of the driver. */
  readonly driver?: number;
  /** CPU microseconds per unit by part, if several processes do the work. */
  readonly parts?: Readonly<Record<string, number>>;
}

/** One thing that is measured in every round. */
export interface Variant {
  readonly name: string;
  measure(round: number): Promise<Sample>;
}

/** A goal: a bound on `of` divided by `by` in one figure. Without a bound it is shown for information. */
export interface Goal {
  readonly of: string;
  readonly by: string;
  readonly figure: 'cpuUs' | 'rate' | 'p50Ms' | 'p99Ms' | 'kibPerConnection';
  readonly atMost?: number;
  readonly atLeast?: number;
}

/** A goal for a figure itself. */
export interface AbsoluteGoal {
  readonly of: string;
  readonly figure: 'kibPerConnection' | 'p99Ms' | 'lost' | 'duplicates' | 'inversions';
  readonly atMost: number;
}

/** Above this share of a core the driver itself limits the rate: the rates of such rounds do not count. */
const SATURATED = 0.9;

const columns: readonly { readonly figure: Exclude<keyof Sample, 'parts'>; readonly title: string; readonly digits: number }[] = [
  { figure: 'cpuUs', title: 'CPU µs/unit', digits: 2 },
  { figure: 'rate', title: 'units/s', digits: 0 },
  { figure: 'p50Ms', title: 'p50 ms', digits: 2 },
  { figure: 'p99Ms', title: 'p99 ms', digits: 2 },
  { figure: 'memoryMiB', title: 'MiB', digits: 0 },
  { figure: 'kibPerConnection', title: 'KiB/conn', digits: 2 },
  { figure: 'bytesPerUnit', title: 'wire B/unit', digits: 0 },
  { figure: 'lost', title: 'lost', digits: 0 },
  { figure: 'duplicates', title: 'dup', digits: 0 },
  { figure: 'inversions', title: 'inverted', digits: 0 },
  { figure: 'driver', title: 'driver', digits: 2 },
];

/** Measures all variants `rounds` times, A B C A B C …, so that other load on the machine affects all of them. */
export async function inRounds(all: readonly Variant[], { rounds, only = '' }: BenchOptions): Promise<Map<string, Sample[]>> {
  const variants = all.filter(({ name }) => name.includes(only));
  const samples = new Map<string, Sample[]>(variants.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, measure } of variants) {
      const sample = await measure(round);
      samples.get(name)?.push(sample);
      console.error(`  round ${round + 1}/${rounds}  ${name}  ${brief(sample)}`);
    }
  }
  return samples;
}

/** Prints the table and the goals, and writes `.polyedge/bench/<name>.json`. */
export function report(benchmark: {
  readonly name: string;
  readonly unit: string;
  readonly options: BenchOptions;
  readonly samples: ReadonlyMap<string, readonly Sample[]>;
  readonly goals: readonly (Goal | AbsoluteGoal)[];
}): void {
  const { name, unit, options, samples, goals } = benchmark;
  const used = columns.filter(({ figure }) => [...samples.values()].some((list) => list.some((sample) => sample[figure] !== undefined)));
  const rows = [...samples].map(([variant, list]) => [
    variant,
    ...used.map(({ figure, digits }) => {
      const values = figuresOf(list, figure);
      return values.length === 0
        ? '–'
        : `${withSpread(values, digits)}${figure === 'driver' && Math.max(...values) > SATURATED ? ' !' : ''}`;
    }),
  ]);
  console.log(
    `\n${name}: a unit is ${unit}; median (least … most) of ${options.rounds} rounds of ${options.seconds} s, seed ${options.seed}`,
  );
  console.log(
    `load average now ${loadavg()
      .map((value) => value.toFixed(1))
      .join(' ')}; "!" marks a driver above ${SATURATED} of a core: its rates are floors\n`,
  );
  printTable(['', ...used.map(({ title }) => title)], rows);
  for (const [variant, list] of samples) {
    const names = Object.keys(list[0]?.parts ?? {});
    if (names.length === 0) continue;
    console.log(
      `  CPU µs/unit of ${variant}: ${names.map((part) => `${part} ${median(list.map(({ parts }) => parts?.[part] ?? Number.NaN)).toFixed(1)}`).join(', ')}`,
    );
  }
  const verdicts = goals
    .filter((goal) => samples.has(goal.of) && (!('by' in goal) || samples.has(goal.by)))
    .map((goal) => verdictOf(goal, samples));
  console.log('');
  printTable(
    ['ratio or figure', 'median (least … most)', 'goal', ''],
    verdicts.map(({ what, shown, goal, met }) => [what, shown, goal, met === undefined ? '' : met ? 'met' : 'MISSED']),
  );
  const folder = resolve(import.meta.dirname, '../../.polyedge/bench');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(
    file,
    `${JSON.stringify({ name, unit, at: new Date().toISOString(), options, samples: Object.fromEntries(samples), verdicts }, null, 2)}\n`,
  );
  console.log(`\nwritten to ${file}`);
}

function verdictOf(goal: Goal | AbsoluteGoal, samples: ReadonlyMap<string, readonly Sample[]>) {
  const own = samples.get(goal.of) ?? [];
  const label = columns.find(({ figure }) => figure === goal.figure)?.title ?? goal.figure;
  if (!('by' in goal)) {
    const values = figuresOf(own, goal.figure);
    const worst = goal.figure === 'kibPerConnection' || goal.figure === 'p99Ms' ? median(values) : Math.max(...values);
    return { what: `${label}: ${goal.of}`, values, shown: withSpread(values, 2), goal: `≤ ${goal.atMost}`, met: worst <= goal.atMost };
  }
  const others = samples.get(goal.by) ?? [];
  // Both of the same round, so that common disturbances cancel out.
  const values = own.flatMap((sample, round) => {
    const [over, under] = [sample[goal.figure], others[round]?.[goal.figure]];
    return over === undefined || under === undefined || under === 0 ? [] : [over / under];
  });
  const middle = median(values);
  if (goal.atMost === undefined && goal.atLeast === undefined) {
    return { what: `${label}: ${goal.of} / ${goal.by}`, values, shown: withSpread(values, 3), goal: 'none', met: undefined };
  }
  const met = goal.atMost === undefined ? middle >= (goal.atLeast ?? 0) : middle <= goal.atMost;
  const bound = goal.atMost === undefined ? `≥ ${goal.atLeast} ×` : `≤ ${goal.atMost} ×`;
  return { what: `${label}: ${goal.of} / ${goal.by}`, values, shown: withSpread(values, 3), goal: bound, met };
}

function figuresOf(list: readonly Sample[], figure: Exclude<keyof Sample, 'parts'>): number[] {
  return list.flatMap((sample) => (sample[figure] === undefined ? [] : [sample[figure]]));
}

function withSpread(values: readonly number[], digits: number): string {
  const middle = median(values).toFixed(digits);
  const [least, most] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)];
  return least === most ? middle : `${middle} (${least} … ${most})`;
}

function brief(sample: Sample): string {
  return columns
    .flatMap(({ figure, title, digits }) => (sample[figure] === undefined ? [] : [`${title} ${sample[figure].toFixed(digits)}`]))
    .join('  ');
}

/** Wider tables cannot be read in a document: each row becomes an item of a list. */
const MAX_WIDTH = 160;

function printTable(titles: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = titles.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join(' | ')} |`;
  if (line(titles).length > MAX_WIDTH) {
    for (const [name, ...figures] of rows)
      console.log(`* ${name}: ${figures.map((figure, at) => `${titles[at + 1]} ${figure}`).join(', ')}`);
    return;
  }
  console.log(line(titles));
  console.log(`|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`);
  for (const row of rows) console.log(line(row));
}
