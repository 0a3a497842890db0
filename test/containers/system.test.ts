/**
 * docker-compose.yml, run by a real engine: images, a first start, clients of all protocols, faults, and a second start with the data of the first.
 * With `--short` what takes long is left out: stopping each edge, most of the kills, the second start, building twice, and the upgrade. A machine that cannot
 * run containers leaves all of it out and says so; where POLYEDGE_CONTAINERS is `required`, that is a failure, and with `off` it is left out
 * everywhere.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Engine } from '@polyedge/testkit/servers/container-engine';
import { engineWithImages } from '@polyedge/testkit/servers/stand-in-images';
import { Load } from '../replicas/load.ts';
import { ADMIN, type ConnectedEdge, connectClients } from '../replicas/system.ts';
import { Rotation } from '../rolling/watchers.ts';
import { Project, root } from './project.ts';
import { releaseOf } from './release.ts';

const EDGES = ['hiro-edge', 'saga-edge', 'space-edge', 'gooduncle-edge', 'jssocket-edge'] as const;
const OURS = ['graph-store', 'saga-runner', 'console', ...EDGES] as const;
const SHORT_KILLS = ['hiro-edge', 'postgres'] as const;
const SERVERS = ['nats', 'redis', 'postgres'] as const;
/** The services of that profile. */
const TWO_JOURNALS = ['postgres-second', 'prepare-second', 'graph-store-second'] as const;
const LIMIT_MS = 20 * 60_000;
/** An organization without accounts. */
const MOVED = 'acme';
const short = process.env.POLYEDGE_TEST_SHORT === 'true';
/** The release from which images are upgraded: the last one whose images had another health check, and neither the runner nor the console. */
const EARLIER = '54dbf09';
/** How long the clients of one edge may take, on a busy machine, until all of them are there again and hear one and the same change. */
const HEARD_MS = 120_000;
const ONE_CHANGE_MS = 15_000;
const image = (service: string): string => `polyedge/${service}:${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version}`;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** What Prometheus says of what it reads. */
interface Target {
  readonly health: string;
  readonly labels: { readonly service: string };
}
/** What it says of an alert. */
interface Rule {
  readonly name: string;
  readonly health: string;
  readonly lastError?: string;
}

const began = performance.now();
const say = (line: string): void => console.log(`containers: ${line} (${Math.round((performance.now() - began) / 1000)} s)`);
const wanted = process.env.POLYEDGE_CONTAINERS ?? 'auto';
const opened = wanted === 'off' ? 'POLYEDGE_CONTAINERS is off' : await engineWithImages(root, say);
if (typeof opened !== 'string') tryAll(opened);
else {
  console.log(`polyedge: the container tests are left out: ${opened}`);
  if (wanted === 'required') test('containers can be run here', () => assert.fail(opened));
}

function tryAll(engine: Engine): void {
  suite('containers', { timeout: LIMIT_MS }, () => {
    const parts = new AsyncDisposableStack();
    let project: Project;
    let edges: readonly ConnectedEdge[] = [];
    let written = 0;
    const rotations = new Map<string, Rotation>();

    before(async () => {
      parts.use(engine);
      const optional = short ? [] : ['prometheus', ...TWO_JOURNALS];
      project = parts.use(
        new Project(engine, { POLYEDGE_ADMIN_PASSWORD: ADMIN.password, LOG_LEVEL: 'warn' }, { 'hiro-edge': 2 }, { optional }),
      );
      say('building the images …');
      await project.build();
      say('the images are built');
    });
    after(() => parts.disposeAsync());

    /** Every client of every edge hears a change that is written now, however long its edge takes to be there again. */
    async function everybodyHears(): Promise<void> {
      for (const edge of edges) {
        const deadline = performance.now() + HEARD_MS;
        const watchers = edge.audiences.flatMap((audience) => audience.watchers);
        for (let heard = false; !heard; ) {
          written += 1;
          const n = written;
          const taken = await edge.write(n).catch((error: unknown) => String(error));
          const until = Math.min(deadline, performance.now() + ONE_CHANGE_MS);
          const all = (): boolean => watchers.every(({ firstAt }) => firstAt.has(n));
          while (taken === true && !all() && performance.now() < until) await pause(20);
          heard = all();
          if (!heard && performance.now() > deadline)
            assert.fail(
              `${edge.name}: not everybody hears (the last write: ${taken})\n${[edge.name, 'graph-store']
                .map((name) =>
                  project
                    .containers(name)
                    .map((one) => project.logs(one))
                    .join('\n'),
                )
                .join('\n')}`,
            );
          if (!heard) await pause(200);
        }
      }
    }

    test('images hold one service and what it needs: no package manager, no test, a list of parts, an account of nobody', () => {
      for (const service of OURS) {
        const [{ Size, Config }] = JSON.parse(engine.docker('image', 'inspect', image(service)));
        say(`${image(service)} has ${Math.round(Size / 1e6)} MB`);
        assert.ok(Size < 360e6, `${service} has ${Size} bytes`);
        assert.equal(Config.User, '10001:10001');
        assert.equal(Config.Labels['org.opencontainers.image.title'], `polyedge-${service}`);
        const look =
          'ls /app /app/services; command -v npm npx pnpm yarn corepack; find /app/libs /app/services /app/infra -name "*.test.ts" -not -path "*/node_modules/*" 2>/dev/null; true';
        const found = engine.docker('run', '--rm', '--network', 'none', '--read-only', image(service), 'bash', '-c', look).split('\n');
        assert.deepEqual(
          found.filter((line) => line !== ''),
          [
            '/app:',
            // It shows the documents.
            ...(service === 'console' ? ['CONTRIBUTING.md', 'README.md', 'SECURITY.md', 'docs'] : []),
            'healthy.mjs',
            'healthy.sh',
            'libs',
            'node_modules',
            'package.json',
            'pnpm-lock.yaml',
            'pnpm-workspace.yaml',
            'sbom.cdx.json',
            'service',
            'services',
            '',
            '/app/services:',
            service,
          ].filter((line) => line !== ''),
        );
      }
    });

    test('docker compose up comes up healthy from nothing, and clients of all five protocols work against it', async () => {
      await project.up();
      await project.healthy([...SERVERS, ...OURS]);
      say('up and healthy');
      for (const [name, ports] of project.ports) rotations.set(name, new Rotation(ports));
      assert.equal(project.containers('hiro-edge').length, 2);
      const connected = parts.use(
        await connectClients((name) => {
          const rotation = rotations.get(name);
          assert.ok(rotation, name);
          return rotation;
        }),
      );
      ({ edges } = connected);
      await everybodyHears();
      for (const service of OURS) {
        for (const container of project.containers(service)) {
          const { HostConfig } = project.inspect(container);
          assert.ok(HostConfig.ReadonlyRootfs && HostConfig.Memory > 0, container);
          assert.throws(() => engine.docker('exec', container, 'touch', '/app/here'), /Read-only file system/);
        }
      }
    });

    test('what is killed comes back by itself: each service, NATS, Redis and PostgreSQL', async () => {
      for (const service of short ? SHORT_KILLS : [...OURS, ...SERVERS]) {
        const [container = ''] = project.containers(service);
        const { State, RestartCount } = project.inspect(container);
        process.kill(State.Pid, 'SIGKILL');
        const deadline = performance.now() + 60_000;
        while (project.inspect(container).RestartCount === RestartCount) {
          assert.ok(performance.now() < deadline, `${container} is not started again`);
          await pause(100);
        }
        if (SERVERS.some((name) => name === service)) await everybodyHears();
      }
      await project.healthy([...SERVERS, ...OURS]);
      await everybodyHears();
      say('everything was killed');
    });

    test('a backup is written to a folder of the host while everything runs', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'polyedge-backups-'));
      chmodSync(folder, 0o777);
      const command = ['prepare', 'node', 'service/src/backup-cli.ts', 'backup', '/backups/monday'];
      await project.compose('run', '--rm', '-T', '-v', `${folder}:/backups`, ...command);
      const manifest: { readonly seq: number } = JSON.parse(readFileSync(join(folder, 'monday', 'manifest.json'), 'utf8'));
      assert.ok(manifest.seq > 0);
      rmSync(folder, { recursive: true });
      say('a backup was written');
    });

    if (short) return;

    test('Prometheus of the telemetry profile reads every service, and evaluates every rule', async () => {
      const [container = ''] = project.containers('prometheus');
      const ask = (path: string) =>
        JSON.parse(engine.docker('exec', container, 'wget', '-qO-', `http://127.0.0.1:9090/api/v1/${path}`)).data;
      const deadline = performance.now() + 90_000;
      const services: readonly string[] = [...OURS].sort();
      for (let up: readonly string[] = []; up.length < services.length; await pause(500)) {
        const { activeTargets }: { readonly activeTargets: readonly Target[] } = ask('targets');
        up = activeTargets.filter(({ health }) => health === 'up').map(({ labels }) => labels.service);
        assert.ok(performance.now() < deadline, JSON.stringify(activeTargets));
        if (up.length === services.length) assert.deepEqual([...up].sort(), services);
      }
      const isEvaluated = (): boolean => {
        const { groups }: { readonly groups: readonly { readonly rules: readonly Rule[] }[] } = ask('rules');
        const rules = groups.flatMap((group) => group.rules);
        for (const { name, lastError } of rules) assert.equal(lastError ?? '', '', name);
        return rules.length > 0 && rules.every(({ health }) => health === 'ok');
      };
      while (!isEvaluated()) {
        assert.ok(performance.now() < deadline, 'the rules are not evaluated');
        await pause(500);
      }
      say('Prometheus reads every service');
    });

    test('with the profile two-journals an organization moves to the second journal with its data, is written there, and moves back', async () => {
      await project.healthy(['postgres-second', 'graph-store-second']);
      const [edge = ''] = project.containers('hiro-edge');
      const script = readFileSync(join(import.meta.dirname, 'write-elements.mjs'));
      const write = (count: number): void => {
        const args = ['exec', '-i', '-w', '/app/service', edge, 'node', '--input-type=module', '-', MOVED, String(count)];
        execFileSync('docker', args, { env: engine.env, input: script, stdio: ['pipe', 'ignore', 'inherit'] });
      };
      const tenants = (...args: readonly string[]): Promise<string> =>
        project.compose('run', '--rm', '-T', 'prepare-second', 'node', 'service/src/tenants.ts', ...args);
      const where = async (): Promise<unknown> => JSON.parse((await tenants('list')).trim().split('\n').at(-1) ?? '[]');
      write(300);
      for (const [journal, elements] of [
        ['second', 300],
        ['main', 600],
      ] as const) {
        assert.match(await tenants('move', MOVED, journal), new RegExp(`the tenant ${MOVED} is in the journal ${journal}`));
        const listed = (await where()) as readonly { readonly tenant: string }[];
        assert.deepEqual(
          listed.filter(({ tenant }) => tenant === MOVED),
          [{ tenant: MOVED, journal, elements }],
        );
        write(300);
      }
      await everybodyHears();
      say('an organization was moved to the second journal and back');
    });

    test('images that are built anew from the same sources have the same layers', () => {
      const layersOf = (name: string): unknown =>
        JSON.parse(engine.docker('image', 'inspect', '--format', '{{json .RootFS.Layers}}', name));
      const again = `${image('hiro-edge')}-again`;
      const file = join(root, 'infra/docker/Dockerfile');
      const options = ['--no-cache', '--network', 'host', '--build-arg', 'SERVICE=hiro-edge', '-f', file, '-t', again];
      engine.docker('build', '--quiet', ...options, root);
      assert.deepEqual(layersOf(again), layersOf(image('hiro-edge')));
      engine.docker('image', 'rm', again);
      say('hiro-edge was built twice');
    });

    test('docker stop lets each edge end in order, and clients come back when it is started', async () => {
      for (const edge of EDGES) {
        const [container = ''] = project.containers(edge);
        engine.docker('stop', '--time', '40', container);
        assert.equal(project.inspect(container).State.ExitCode, 0, `${edge}: ${project.logs(container)}`);
        engine.docker('start', container);
      }
      await project.healthy(EDGES);
      await everybodyHears();
      say('every edge was stopped and started');
    });

    test('down and up again: passwords, accounts and elements are those of before', async () => {
      await project.compose('down', '--timeout', '40');
      assert.deepEqual(project.containers('postgres'), []);
      await project.up();
      await project.healthy([...SERVERS, ...OURS]);
      // Those that are owed everything hear what comes now; tokens of before are good, so the keys are the same.
      await everybodyHears();
      say('down and up again');
    });

    const earlier = releaseOf(root, EARLIER);
    if (earlier === undefined) {
      say(`the history does not have ${EARLIER}: the upgrade is left out`);
      return;
    }
    parts.use(earlier);
    test('images of an earlier release are replaced in place under load: nothing that is promised is missed', async (t) => {
      await using upgraded = new Project(
        engine,
        { POLYEDGE_ADMIN_PASSWORD: ADMIN.password, LOG_LEVEL: 'warn' },
        { 'hiro-edge': 2 },
        { name: 'upgraded' },
      );
      await upgraded.use(earlier.sources);
      await upgraded.build();
      await upgraded.up();
      await upgraded.healthy([...SERVERS, 'graph-store', ...EDGES]);
      say(`${EARLIER} is up`);
      const rotation = (name: string): Rotation => new Rotation(upgraded.ports.get(name) ?? []);
      await using connected = await connectClients(rotation);
      using load = await Load.start(connected.edges);
      await upgraded.use(root);
      await upgraded.build();
      await upgraded.up();
      await upgraded.healthy([...SERVERS, ...OURS]);
      say('its images are replaced');
      await load.heardByAll();
      const { problems, lines } = await load.end();
      for (const line of lines) t.diagnostic(line);
      // One container of most services: meanwhile its clients are refused.
      assert.deepEqual(
        problems.filter((problem) => problem.includes('missing')),
        [],
      );
    });
  });
}
