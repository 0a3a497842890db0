import { spawnSync } from 'node:child_process';
import { accessSync, constants, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program that a server or a test needs, and the ways to get it. */
export type Program = {
  /** Names of the executable, which differ between systems. */
  readonly names: readonly string[];
  /** The Debian package that contains it. */
  readonly apt: string;
  /** The Homebrew formula that contains it. */
  readonly brew: string;
  /** The image to run it from if it cannot be installed. */
  readonly image?: string;
};

export const natsProgram: Program = { names: ['nats-server'], apt: 'nats-server', brew: 'nats-server', image: 'nats:2.12-alpine' };
export const redisProgram: Program = { names: ['redis-server'], apt: 'redis-server', brew: 'redis', image: 'redis:8-alpine' };
export const chromiumProgram: Program = { names: ['chromium', 'chromium-browser', 'google-chrome'], apt: 'chromium', brew: 'chromium' };

export const kubectlProgram: Program = { names: ['kubectl'], apt: 'kubernetes-client', brew: 'kubernetes-cli' };

/** Where a program was found: on this machine, or as an image to be run by Docker. */
export type FoundProgram = { readonly kind: 'file'; readonly path: string } | { readonly kind: 'image'; readonly image: string };

/** Folders where system packages install servers, but which are not in a plain user's PATH. */
const moreFolders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/opt/homebrew/bin'];
const installMs = 300_000;

/** The path of an installed program, or undefined. */
export function programPath(program: Program): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...moreFolders].filter((folder) => folder !== '');
  return program.names.flatMap((name) => folders.map((folder) => join(folder, name))).find(isExecutable);
}

/**
 * Finds a program; if missing, installs it with apt-get (as root or with passwordless sudo) or Homebrew, else returns its Docker image.
 * `report` receives a line for each slow step. Throws an error that says what to install.
 */
export function findProgram(program: Program, report: (line: string) => void = () => {}): FoundProgram {
  const installed = programPath(program) ?? installProgram(program, report);
  if (installed !== undefined) return { kind: 'file', path: installed };
  if (program.image !== undefined && spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 10_000 }).status === 0) {
    report(`${program.names[0]} is not installed; it runs in Docker from ${program.image}`);
    return { kind: 'image', image: program.image };
  }
  throw new Error(
    `${program.names[0]} is needed and could not be installed. Install it (Debian, Ubuntu: apt-get install ${program.apt}; macOS: brew install ${program.brew}) and start again.`,
  );
}

/** The Python modules of the tests and their Debian packages: `websocket` for HIRO's Python client, `socketio` (which polls with `requests`) for SPACE's. */
const pythonModules = 'websocket, socketio, requests';
const pythonPackages = ['python3-websocket', 'python3-socketio', 'python3-requests'];

/** Finds a Python with the modules that the real clients need; installs them where apt-get is allowed to. */
export function findPython(report: (line: string) => void = () => {}): string {
  const find = () => ['/usr/bin/python3', 'python3'].find((python) => commandWorks(python, ['-c', `import ${pythonModules}`]));
  const python = find() ?? (pythonPackages.every((name) => installDebianPackage(name, report)) ? find() : undefined);
  if (python === undefined)
    throw new Error(`Python with the modules ${pythonModules} is needed (Debian, Ubuntu: apt-get install ${pythonPackages.join(' ')}).`);
  return python;
}

/**
 * The library that gives a process its own clock (`LD_PRELOAD`); installs it where apt-get is allowed to. Its setting `FAKETIME_TIMESTAMP_FILE`
 * names a file whose content (`+2h`) can be changed while the process runs.
 */
export function findFaketime(report: (line: string) => void = () => {}): string {
  const find = () =>
    globSync(['/usr/lib/*/faketime/libfaketime.so.1', '/usr/lib/faketime/libfaketime.so.1', '/usr/lib64/faketime/libfaketime.so.1'])[0];
  const library = find() ?? (installDebianPackage('libfaketime', report) ? find() : undefined);
  if (library === undefined) throw new Error('libfaketime is needed (Debian, Ubuntu: apt-get install libfaketime).');
  return library;
}

/** Installs a Debian package without programs (a Python module, for example). Returns whether it is installed. */
function installDebianPackage(name: string, report: (line: string) => void): boolean {
  const asRoot = rootPrefix();
  if (asRoot === undefined || !commandWorks('apt-get', ['--version'])) return false;
  report(`installing ${name} with apt-get …`);
  // RUNLEVEL=1 prevents the package from starting its own service.
  const install = [...asRoot, 'env', 'DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get', '-qq', '-o', 'DPkg::Lock::Timeout=120'];
  const once = () => run([...install, 'install', '-y', '--no-install-recommends', name]);
  return once() || (run([...install, 'update']) && once());
}

function installProgram(program: Program, report: (line: string) => void): string | undefined {
  if (installDebianPackage(program.apt, report)) return programPath(program);
  if (commandWorks('brew', ['--version'])) {
    report(`installing ${program.brew} with Homebrew …`);
    if (run(['brew', 'install', '--quiet', program.brew])) return programPath(program);
  }
  return undefined;
}

/** The prefix that runs a command as root; undefined if that needs a password. */
function rootPrefix(): readonly string[] | undefined {
  if (process.getuid?.() === 0) return [];
  return commandWorks('sudo', ['-n', 'true']) ? ['sudo', '-n'] : undefined;
}

function run(command: readonly string[]): boolean {
  const [program = '', ...args] = command;
  return spawnSync(program, args, { stdio: ['ignore', 'ignore', 'ignore'], timeout: installMs }).status === 0;
}

function commandWorks(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 10_000 }).status === 0;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
