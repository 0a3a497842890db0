/** A closed loop with its cost. */
import { closedLoop, type LoopResult } from './closed-loop.ts';
import { cpuByName, cpuPerUnit, residentMiB } from './cpu.ts';
import type { Sample } from './report.ts';

/** @param pids the processes whose CPU and memory count, by name */
export async function measuredLoop(
  pids: Readonly<Record<string, number>>,
  loop: Omit<Parameters<typeof closedLoop>[0], 'measured'>,
): Promise<{ readonly sample: Sample; readonly result: LoopResult }> {
  let before = cpuByName(pids);
  let after = before;
  const result = await closedLoop({
    ...loop,
    measured: (edge) => {
      if (edge === 'begin') before = cpuByName(pids);
      else after = cpuByName(pids);
    },
  });
  const sample = {
    ...cpuPerUnit(before, after, result.done),
    rate: result.done / result.seconds,
    p50Ms: result.latencies.quantile(0.5),
    p99Ms: result.latencies.quantile(0.99),
    memoryMiB: residentMiB(pids),
    lost: result.lost,
    driver: result.driverSeconds / result.seconds,
  };
  return { sample, result };
}
