/**
 * Images under the names of those that docker-compose.yml and the Dockerfile use, for a machine that cannot pull them: Debian by debootstrap, the
 * Node and npm that run this, Debian's NATS, Redis and Prometheus, and the PostgreSQL of the tests. Built once; rebuilt when the recipe changes.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Engine, startEngine, whyNoEngine } from './container-engine.ts';
import { postgresPrograms } from './postgres-programs.ts';

interface Names {
  readonly debian: string;
  readonly node: string;
  readonly nats: string;
  readonly redis: string;
  readonly postgres: string;
  readonly prometheus: string;
}

const BUILD_MS = 10 * 60_000;
const LABEL = 'polyedge.recipe';

/** The content of each image in addition to its base; the files are copied next to the Dockerfile. */
const recipe = (names: Names): readonly { readonly image: string; readonly lines: readonly string[] }[] => [
  {
    image: names.node,
    lines: [
      `FROM ${names.debian}`,
      'COPY node /usr/local/bin/node',
      'COPY npm /usr/local/lib/node_modules/npm',
      'RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm',
      // This machine's registry and trusted certificates.
      'COPY authorities.crt /etc/ssl/authorities.crt',
      `ENV NODE_EXTRA_CA_CERTS=/etc/ssl/authorities.crt npm_config_registry=${registry()}`,
    ],
  },
  {
    image: 'polyedge-stand-in:servers',
    lines: [
      `FROM ${names.debian}`,
      'RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends nats-server redis-server postgresql-client-15 prometheus wget procps netbase',
    ],
  },
  { image: names.nats, lines: ['FROM polyedge-stand-in:servers', 'USER 10002', 'ENTRYPOINT ["nats-server"]'] },
  { image: names.redis, lines: ['FROM polyedge-stand-in:servers', 'WORKDIR /data', 'CMD ["redis-server"]'] },
  {
    image: names.prometheus,
    lines: [
      'FROM polyedge-stand-in:servers',
      'RUN mkdir /prometheus && chown nobody /prometheus',
      'USER nobody',
      'ENTRYPOINT ["prometheus"]',
    ],
  },
  {
    image: names.postgres,
    lines: [
      'FROM polyedge-stand-in:servers',
      'RUN useradd --system --user-group --no-create-home --shell /usr/sbin/nologin postgres || true',
      'COPY pgsql /usr/local/pgsql',
      'COPY postgres.sh /usr/local/bin/postgres.sh',
      'STOPSIGNAL SIGINT',
      'CMD ["bash", "/usr/local/bin/postgres.sh"]',
    ],
  },
];

/**
 * Starts an engine for a working copy, with images under the names that its docker-compose.yml and Dockerfile use, and runs a container on it.
 * @param root of the working copy
 * @returns the engine, or why this machine cannot run containers, in a line
 */
export async function engineWithImages(root: string, report: (line: string) => void): Promise<Engine | string> {
  const missing = whyNoEngine(report);
  if (missing !== undefined) return missing;
  const parts = new AsyncDisposableStack();
  try {
    const folder = join(root, '.polyedge/containers');
    const engine = parts.use(await startEngine(join(folder, 'engine')));
    const names = namesOf(root);
    makeStandIns(engine, names, folder, report);
    runOne(engine, names.node);
    parts.move();
    return engine;
  } catch (error) {
    await parts.disposeAsync();
    const said = error instanceof Error ? error.message : String(error);
    return said.split('\n').slice(0, 4).join(' ').slice(0, 400);
  }
}

/** As Compose runs them: with a network, a port and bounds. */
function runOne(engine: Engine, image: string): void {
  const network = engine.docker('network', 'create', `polyedge-trial-${process.pid}`).trim();
  try {
    const bounds = ['--network', network, '--memory', '64m', '--pids-limit', '50', '--read-only', '-p', '127.0.0.1::80'];
    engine.docker('run', '--rm', ...bounds, image, 'node', '--version');
  } finally {
    engine.docker('network', 'rm', network);
  }
}

/** The names of the images that a working copy starts from. */
function namesOf(root: string): Names {
  const compose = readFileSync(join(root, 'docker-compose.yml'), 'utf8');
  const dockerfile = readFileSync(join(root, 'infra/docker/Dockerfile'), 'utf8');
  const found = (text: string, name: string): string => {
    const [, image] = new RegExp(`^(?: +image:|FROM) (${name}:\\S+)`, 'm').exec(text) ?? [];
    if (image === undefined) throw new Error(`there is no image of ${name} in the files`);
    return image;
  };
  return {
    debian: found(dockerfile, 'debian'),
    node: found(dockerfile, 'node'),
    nats: found(compose, 'nats'),
    redis: found(compose, 'redis'),
    postgres: found(compose, 'postgres'),
    prometheus: found(compose, 'prom/prometheus'),
  };
}

function makeStandIns(engine: Engine, names: Names, folder: string, report: (line: string) => void): void {
  const entry = readFileSync(join(import.meta.dirname, 'stand-in-postgres.sh'), 'utf8');
  const images = recipe(names);
  const hash = createHash('sha256')
    .update(JSON.stringify([images, process.version, entry]))
    .digest('hex')
    .slice(0, 16);
  if ([names.debian, ...images.map(({ image }) => image)].every((image) => labelOf(engine, image) === hash)) return;
  if (labelOf(engine, names.debian) === undefined) {
    report('making a Debian with debootstrap …');
    importDebian(engine, names.debian, folder, hash);
  }
  report('making stand-ins for the images of Node, NATS, Redis, PostgreSQL and Prometheus …');
  const context = mkdtempSync(join(tmpdir(), 'polyedge-stand-ins-'));
  try {
    cpSync(process.execPath, join(context, 'node'), { dereference: true });
    const authorities = process.env.NODE_EXTRA_CA_CERTS ?? '/etc/ssl/certs/ca-certificates.crt';
    writeFileSync(join(context, 'authorities.crt'), existsSync(authorities) ? readFileSync(authorities) : '');
    cpSync(npmFolder(), join(context, 'npm'), { recursive: true, dereference: true });
    cpSync(dirname(dirname(postgresPrograms().postgres)), join(context, 'pgsql'), { recursive: true, verbatimSymlinks: true });
    writeFileSync(join(context, 'postgres.sh'), entry);
    for (const { image, lines } of [{ image: names.debian, lines: [`FROM ${names.debian}`] }, ...images]) {
      writeFileSync(join(context, 'Dockerfile'), `${[...lines, `LABEL ${LABEL}=${hash}`].join('\n')}\n`);
      engine.docker('build', '--quiet', '--network', 'host', '-t', image, context);
    }
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

function labelOf(engine: Engine, image: string): string | undefined {
  try {
    return engine.docker('image', 'inspect', '--format', `{{ index .Config.Labels "${LABEL}" }}`, image).trim();
  } catch {
    return undefined;
  }
}

/** As small as the official one: without documentation and apt-get's caches. */
function importDebian(engine: Engine, image: string, folder: string, hash: string): void {
  const root = join(folder, 'debian');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root, { recursive: true });
  try {
    // Its mounts disappear with it.
    const args = ['--mount', engine.debootstrapProgram, '--variant=minbase', 'bookworm', root];
    const made = spawnSync('unshare', args, { encoding: 'utf8', timeout: BUILD_MS });
    if (made.status !== 0) throw new Error(`debootstrap failed: ${made.stdout.slice(-1000)} ${made.stderr.slice(-1000)}`);
    const left = ['usr/share/doc', 'usr/share/man', 'usr/share/info', 'usr/share/locale', 'var/cache/apt/archives', 'var/lib/apt/lists'];
    for (const name of left) rmSync(join(root, name), { recursive: true, force: true });
    for (const name of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial']) mkdirSync(join(root, name), { recursive: true });
    const packed = spawnSync(
      '/bin/sh',
      ['-c', 'tar -C "$1" -c . | docker import --change "LABEL $2" - "$3"', 'sh', root, `${LABEL}=${hash}`, image],
      { env: engine.env, encoding: 'utf8', timeout: BUILD_MS },
    );
    if (packed.status !== 0) throw new Error(`the image could not be imported: ${packed.stderr}`);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

const registry = (): string => spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).stdout.trim();

/** The folder of the npm that the PATH names. */
function npmFolder(): string {
  const found = spawnSync('/bin/sh', ['-c', 'command -v npm'], { encoding: 'utf8' }).stdout.trim();
  const folder = found === '' ? '' : dirname(dirname(realpathSync(found)));
  if (!existsSync(join(folder, 'bin/npm-cli.js'))) throw new Error('npm is not on the PATH, so no image of Node can be made.');
  return folder;
}
