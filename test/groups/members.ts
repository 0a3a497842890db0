/** Members of the group, each in a process of its own (member.ts), and what they say that they were given. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { MemberOptions } from './member.ts';
import type { Delivery } from './model.ts';

export interface Member {
  readonly name: string;
  readonly process: ChildProcess;
  state: 'running' | 'stopped' | 'left' | 'killed';
}

/** @param deliveries where its deliveries are added */
export function startMember(name: string, options: MemberOptions, deliveries: Delivery[]): Member {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'member.ts'), JSON.stringify(options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin?.on('error', () => {});
  let unanswered: Delivery[] = [];
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = parse(line);
      if (said?.e !== undefined) {
        const [seq, element, ns] = said.e;
        const delivery: Delivery = { seq, element, member: name, at: Number(BigInt(ns) / 1000n) / 1000, answeredAt: undefined };
        deliveries.push(delivery);
        unanswered.push(delivery);
      } else if (said?.p !== undefined) {
        const at = Number(BigInt(said.p) / 1000n) / 1000;
        for (const delivery of unanswered) delivery.answeredAt = at;
        unanswered = [];
      } else if (said?.c !== undefined) unanswered = [];
    });
  }
  return { name, process: child, state: 'running' };
}

/** A line of member.ts; the last one of a killed process may be truncated. */
function parse(line: string): { e?: [number, string, string]; p?: string; c?: number } | undefined {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
