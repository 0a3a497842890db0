/** Programs that stand for something on another machine: they take only the CPU time that others leave. */
import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { watchOver } from '@polyedge/testkit/servers/watchdog';

/** Starts a program in a session of its own, which ends when this process does. The caller ends it before, as a process group. */
export function startWithLowestPriority(program: string, args: readonly string[], stdio: StdioOptions): ChildProcess {
  const child = spawn('nice', ['-n', '19', program, ...args], { stdio, detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} does not start`);
  child.once('exit', watchOver(-pid, undefined));
  try {
    // Where sessions share the processor as groups, the niceness of a process counts within its own session only.
    writeFileSync(`/proc/${pid}/autogroup`, '19');
  } catch {
    // There are no such groups here.
  }
  return child;
}
