import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram, redisProgram } from './find-program.ts';
import { portIsFree } from './free-port.ts';
import { type RunningServer, startServer } from './server-process.ts';
import { temporaryFolder } from './temporary-folder.ts';

/** Starts a Redis Sentinel that monitors the primary on this port of the loopback address under the name `name`. */
export async function startSentinel(watched: {
  readonly name: string;
  readonly primary: number;
  readonly quorum: number;
}): Promise<RunningServer> {
  const program = findProgram(redisProgram);
  if (program.kind !== 'file') throw new Error('A Sentinel must reach its servers; it cannot run in a container.');
  const { name, primary, quorum } = watched;
  const dir = temporaryFolder('sentinel');
  const file = join(dir, 'sentinel.conf');
  return startServer(undefined, (port) => {
    const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${dir}`, `sentinel monitor ${name} 127.0.0.1 ${primary} ${quorum}`];
    const times = [`sentinel down-after-milliseconds ${name} 1000`, `sentinel failover-timeout ${name} 5000`];
    writeFileSync(file, `${[...lines, ...times].join('\n')}\n`);
    return {
      name: 'sentinel',
      url: `redis://127.0.0.1:${port}`,
      port,
      dir,
      mark: dir,
      command: program.path,
      args: [file, '--sentinel'],
      answers: async () => !(await portIsFree(port)),
      temporary: true,
    };
  });
}
