/**
 * `npm run soak -- simulate [--seconds N] [--seed N] [--histories N] [--events 0-3,7] [--whole] [--no-planted]`: whole systems, each from one seed, with their processes, clients and
 * servers in one process and on virtual time, while everything fails that can fail. A seed that fails is shrunk to the events that it takes,
 * and its timeline printed. Beside them consumer groups alone, of which many more histories fit the same time.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { PLANTED_BUGS } from '@polyedge/simulation/groups-servers';
import { GroupsWorld } from '@polyedge/simulation/groups-world';
import { SYSTEM_BUGS } from '../simulation/planted.ts';
import { numbersOf, rangesOf, shrunk } from '../simulation/shrink.ts';
import { SystemWorld } from '../simulation/system-world.ts';
import type { WorkerTask, WorkerTold } from '../simulation/worker.ts';

const EVENTS = 200;
const MAX_SHRUNK = 3;
const BUGS_WITHIN = 2000;
const cores = availableParallelism();

const { values } = parseArgs({
  allowNegative: true,
  options: {
    seconds: { type: 'string', default: '600' },
    seed: { type: 'string', default: '1' },
    histories: { type: 'string', default: '10000' },
    events: { type: 'string' },
    whole: { type: 'boolean', default: false },
    planted: { type: 'boolean', default: true },
  },
});
const [seconds, first, most] = [Number(values.seconds), Number(values.seed), Number(values.histories)];

let problems = 0;
if (most === 1) await one();
else await many();
process.exit(problems === 0 ? 0 : 1);

/** One history, told from its beginning to its end. */
async function one(): Promise<void> {
  const kept = values.events === undefined ? {} : { kept: numbersOf(values.events) };
  const { problem, timeline, counts } = await new SystemWorld({ seed: first, events: EVENTS, whole: values.whole, ...kept }).run();
  for (const line of timeline) console.log(line);
  console.log(problem ?? `nothing is wrong: ${JSON.stringify(counts)}`);
  const groups = new GroupsWorld({ seed: first, events: EVENTS }).run();
  if (groups.problem !== undefined) console.log([...groups.timeline, `consumer groups alone: ${groups.problem}`].join('\n'));
  problems = [problem, groups.problem].filter((found) => found !== undefined).length;
}

async function many(): Promise<void> {
  const began = performance.now();
  const failed = await systems(began + seconds * 1000);
  for (const seed of failed.slice(0, MAX_SHRUNK)) {
    const { kept, told } = await shrunk({ seed, events: EVENTS });
    console.log(`seed ${seed}: ${told.problem} (${kept.length} events)`);
    for (const line of told.timeline) console.log(`  ${line}`);
    console.log(`again: npm run soak -- simulate --histories 1 --seed ${seed} --events ${rangesOf(kept)}`);
  }
  groupsAlone(Math.min(most, 1000));
  if (values.planted) await planted();
}

/** A counter for several workers. */
function shared(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
}

/** Runs a part on a core of its own. */
function inWorker(task: WorkerTask, heard: (told: WorkerTold) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('../simulation/worker.ts', import.meta.url), {
      workerData: task,
      resourceLimits: { maxYoungGenerationSizeMb: 64 },
    });
    worker.on('message', heard);
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

/** @returns the seeds that failed */
async function systems(until: number): Promise<number[]> {
  const began = performance.now();
  const sums = new Map<string, number>();
  const failed: number[] = [];
  let count = 0;
  const heard = ({ seed, problem, counts }: WorkerTold): void => {
    count += 1;
    for (const [name, value] of Object.entries(counts)) sums.set(name, (sums.get(name) ?? 0) + value);
    if (problem === undefined) return;
    console.log(`seed ${seed}: ${problem}`);
    failed.push(seed);
  };
  const task = { first, count: most, begun: shared(), events: EVENTS, until: Date.now() + until - performance.now() };
  await Promise.all(Array.from({ length: cores }, () => inWorker(task, heard)));
  problems += failed.length;
  const took = Math.round((performance.now() - began) / 1000);
  console.log(`${count} systems in ${took} s, ${failed.length} problems: ${JSON.stringify(Object.fromEntries(sums))}`);
  return failed.sort((one, other) => one - other);
}

function groupsAlone(count: number): void {
  const began = performance.now();
  let wrong = 0;
  for (let seed = first; seed < first + count; seed += 1) {
    const { problem, timeline } = new GroupsWorld({ seed, events: EVENTS }).run();
    if (problem === undefined) continue;
    wrong += 1;
    console.log([`consumer groups alone, seed ${seed}: ${problem}`, ...timeline.slice(-40)].join('\n  '));
  }
  problems += wrong;
  console.log(`${count} consumer groups alone in ${Math.round((performance.now() - began) / 1000)} s, ${wrong} problems`);
}

/** How many histories it takes to find each known mistake. */
async function planted(): Promise<void> {
  const told = (bug: string, seed: number, problem: string | undefined): void => {
    if (problem === undefined) problems += 1;
    console.log(`planted: ${bug}: ${problem === undefined ? `not found in ${BUGS_WITHIN} histories` : `${seed} histories (${problem})`}`);
  };
  const left = [...SYSTEM_BUGS];
  const search = async (): Promise<void> => {
    for (let bug = left.shift(); bug !== undefined; bug = left.shift()) {
      let found: WorkerTold | undefined;
      const task = { first: 1, count: BUGS_WITHIN, begun: shared(), events: EVENTS, bug, until: Number.POSITIVE_INFINITY };
      await inWorker(task, (one) => {
        if (one.problem !== undefined) found = one;
      });
      told(bug, found?.seed ?? BUGS_WITHIN, found?.problem);
    }
  };
  await Promise.all(Array.from({ length: cores }, search));
  for (const bug of PLANTED_BUGS) {
    let [seed, problem]: [number, string | undefined] = [0, undefined];
    while (problem === undefined && seed < BUGS_WITHIN) {
      seed += 1;
      problem = new GroupsWorld({ seed, events: EVENTS, bug }).run().problem;
    }
    told(bug, seed, problem);
  }
}
