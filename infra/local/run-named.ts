import { spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/**
 * Runs `<folder>/<name>.ts`, where the name is this process's first argument, with the remaining arguments, and exits with its exit code.
 * Without a name, or with an unknown one, it lists the names.
 */
export function runNamed(folder: string, usage: string): void {
  const [name = '', ...args] = process.argv.slice(2);
  const known = globSync('*.ts', { cwd: join(root, folder) })
    .filter((file) => !file.endsWith('.test.ts'))
    .map((file) => basename(file, '.ts'))
    .sort();
  const file = join(root, folder, `${name}.ts`);
  if (!known.includes(name) || !existsSync(file)) {
    console.error(`Usage: ${usage}\n  names: ${known.join(' ') || '(none yet)'}`);
    process.exit(1);
  }
  const child = spawn(process.execPath, [file, ...args], { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal));
  child.once('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 1)));
}
