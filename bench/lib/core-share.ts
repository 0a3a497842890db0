/** How much of the machine some processes may use (Linux): cores of their own, or a part of one by the kernel's own quota (cgroup v1 or v2). */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pidsBelow } from './cpu.ts';

const PERIOD_US = 20_000;

interface Kernel {
  readonly folder: string;
  /** Files and what they get, for a share of a core; 0: as much as there is. */
  limit(share: number): readonly (readonly [file: string, text: string])[];
}

const micros = (share: number): string => String(Math.round(share * PERIOD_US));
const KERNELS: readonly Kernel[] = [
  {
    folder: '/sys/fs/cgroup/cpu',
    limit: (share) => [
      ['cpu.cfs_period_us', String(PERIOD_US)],
      ['cpu.cfs_quota_us', share === 0 ? '-1' : micros(share)],
    ],
  },
  { folder: '/sys/fs/cgroup', limit: (share) => [['cpu.max', `${share === 0 ? 'max' : micros(share)} ${PERIOD_US}`]] },
];

/** Lets processes and all below them run on these cores only: `0`, `0,1`. Throws where `taskset` cannot. */
export function pin(roots: readonly number[], cores: string): void {
  for (const pid of pidsBelow(roots)) {
    const { status, stderr } = spawnSync('taskset', ['-a', '-c', '-p', cores, String(pid)], { encoding: 'utf8' });
    if (status !== 0 && existsSync(`/proc/${pid}`)) throw new Error(`taskset: ${stderr}`);
  }
}

/** A group of processes, what they start included, that together get a share of one core. */
export class CoreShare implements Disposable {
  readonly #folder: string;
  readonly #kernel: Kernel;

  private constructor(name: string, kernel: Kernel) {
    this.#kernel = kernel;
    this.#folder = join(kernel.folder, `polyedge-bench-${process.pid}-${name}`);
    mkdirSync(this.#folder);
  }

  /** Undefined where the kernel lets nobody set one. */
  static of(name: string, roots: readonly number[]): CoreShare | undefined {
    for (const kernel of KERNELS) {
      try {
        const group = new CoreShare(name, kernel);
        try {
          group.set(0);
          for (const pid of pidsBelow(roots)) writeFileSync(join(group.#folder, 'cgroup.procs'), String(pid));
          return group;
        } catch {
          group[Symbol.dispose]();
        }
      } catch {
        // The next kind.
      }
    }
    return undefined;
  }

  /** @param share of one core; 0: as much as there is */
  set(share: number): void {
    for (const [file, text] of this.#kernel.limit(share)) writeFileSync(join(this.#folder, file), text);
  }

  [Symbol.dispose](): void {
    try {
      for (const pid of readFileSync(join(this.#folder, 'cgroup.procs'), 'utf8').split('\n')) {
        if (pid !== '') writeFileSync(join(this.#kernel.folder, 'cgroup.procs'), pid);
      }
      rmdirSync(this.#folder);
    } catch {
      // Its processes are ending: an empty group costs nothing.
    }
  }
}
