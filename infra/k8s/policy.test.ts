/** What every pod of infra/k8s has to be: bounded, watched, without rights, with secrets that are made, and with nobody to talk to but those it has business with. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { busUse } from '@polyedge/contracts/permissions';
import { findProgram, kubectlProgram } from '@polyedge/testkit/servers/find-program';
import { parse, parseAllDocuments } from 'yaml';
import { redisUsers } from '../redis/users.ts';

const root = resolve(import.meta.dirname, '../..');
const overlays = readdirSync(join(root, 'infra/k8s/overlays'));
const ports = { nats: 4222, redis: 6379, postgres: 5432, traces: 4318, dns: 53 } as const;

type Labels = Readonly<Record<string, string>>;
interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly command?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string; readonly optional?: boolean } }[];
  readonly resources?: { readonly limits?: Labels; readonly requests?: Labels };
  readonly livenessProbe?: object;
  readonly readinessProbe?: object;
  readonly startupProbe?: object;
  readonly securityContext?: {
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[] };
  };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Pod {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string; readonly secret?: { readonly secretName: string } }[];
  readonly securityContext?: { readonly runAsNonRoot?: boolean; readonly seccompProfile?: { readonly type: string } };
}
interface Selector {
  readonly matchLabels?: Labels;
  readonly matchExpressions?: readonly { readonly key: string; readonly operator: string; readonly values: readonly string[] }[];
}
interface Rule {
  readonly from?: readonly { readonly podSelector?: Selector; readonly namespaceSelector?: Selector }[];
  readonly to?: readonly { readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] } }[];
  readonly ports?: readonly { readonly protocol: string; readonly port: number }[];
}
interface Metric {
  readonly pods?: { readonly metric: { readonly name: string } };
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly data?: Labels;
  readonly spec: {
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod };
    readonly podSelector?: Selector;
    readonly policyTypes?: readonly string[];
    readonly ingress?: readonly Rule[];
    readonly egress?: readonly Rule[];
    readonly metrics?: readonly Metric[];
  };
}

function render(overlay: string): readonly Manifest[] {
  const kubectl = findProgram(kubectlProgram);
  assert.equal(kubectl.kind, 'file');
  const path = kubectl.kind === 'file' ? kubectl.path : '';
  const text = execFileSync(path, ['kustomize', join(root, 'infra/k8s/overlays', overlay)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return parseAllDocuments(text).map((document) => document.toJS());
}

const all = new Map(overlays.map((overlay) => [overlay, render(overlay)]));
/** Applied by itself beside the overlay. */
const tenants: readonly Manifest[] = parseAllDocuments(
  readFileSync(join(root, 'infra/k8s/overlays/two-journals/tenants.yaml'), 'utf8'),
).map((document) => document.toJS());
const ofKind = (manifests: readonly Manifest[], kind: string) => manifests.filter((manifest) => manifest.kind === kind);
/** By the service whose image they run: those of a further journal are graph-stores, too. */
const podsOf = (manifests: readonly Manifest[]) =>
  manifests.flatMap(({ metadata, spec }) => {
    if (spec?.template === undefined) return [];
    const { metadata: template, spec: pod } = spec.template;
    const service = /^polyedge\/([a-z-]+)/.exec(pod.containers[0]?.image ?? '')?.[1];
    return [{ name: service ?? metadata.name, labels: template.labels, pod }];
  });
const selects = ({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Labels): boolean =>
  Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
  matchExpressions.every(({ key, operator, values }) => operator === 'In' && values.includes(labels[key] ?? ''));
const isOurs = (name: string): boolean => existsSync(join(root, 'services', name, 'package.json'));

/** `TCP 4222`, for each port of each rule. */
const opened = (rules: readonly Rule[] = []): readonly string[] =>
  rules.flatMap(({ ports: open = [] }) => open.map(({ protocol, port }) => `${protocol} ${port}`)).sort();

/** What the architecture lets a service reach: the bus and the traces for all in the table of parts, Redis and PostgreSQL for those with a user there. */
function reaches(name: string): readonly string[] {
  const servers = [
    ...(name in busUse ? [ports.nats] : []),
    ...(redisUsers.includes(name) ? [ports.redis] : []),
    ...(/\bdatabaseUrl\b/.test(readFileSync(join(root, 'services', name, 'src/config.ts'), 'utf8')) ? [ports.postgres] : []),
    ports.traces,
    ports.dns,
  ];
  return [...servers.map((port) => `TCP ${port}`), `UDP ${ports.dns}`].sort();
}

/** Every Secret that infra/k8s/secrets.mjs makes, and its keys. */
function secretsMade(): ReadonlyMap<string, readonly string[]> {
  const made = spawnSync(process.execPath, [join(root, 'infra/k8s/secrets.mjs')], {
    env: { PATH: process.env.PATH, JSSOCKET_AUTH: 'hash' },
    encoding: 'utf8',
  });
  assert.equal(made.status, 0, made.stderr);
  const { items }: { readonly items: readonly { readonly metadata: { readonly name: string }; readonly stringData: Labels }[] } =
    JSON.parse(made.stdout);
  return new Map(items.map(({ metadata, stringData }) => [metadata.name, Object.keys(stringData)]));
}
const secrets = secretsMade();

/** What a container gets from ConfigMaps. */
const shared = (
  manifests: readonly Manifest[],
  { envFrom = [] }: Container,
): readonly { readonly name: string; readonly value: string }[] =>
  envFrom.flatMap(({ configMapRef }) => {
    const map = ofKind(manifests, 'ConfigMap').find(({ metadata }) => metadata.name === configMapRef.name);
    assert.ok(map?.data || configMapRef.optional, `the ConfigMap ${configMapRef.name}`);
    return Object.entries(map?.data ?? {}).map(([name, value]) => ({ name, value }));
  });

suite('policies of infra/k8s', () => {
  for (const [overlay, manifests] of all) {
    test(`${overlay}: every container is bounded, watched and without rights`, () => {
      for (const { name, pod } of podsOf(manifests)) {
        assert.equal(pod.securityContext?.runAsNonRoot, true, name);
        assert.equal(pod.securityContext?.seccompProfile?.type, 'RuntimeDefault', name);
        for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
          const { resources, securityContext } = container;
          for (const what of ['cpu', 'memory']) {
            assert.ok(resources?.limits?.[what], `${name}: ${container.name} has a limit of ${what}`);
            assert.ok(resources?.requests?.[what], `${name}: ${container.name} asks for ${what}`);
          }
          assert.equal(securityContext?.allowPrivilegeEscalation, false, name);
          assert.deepEqual(securityContext?.capabilities?.drop, ['ALL'], name);
          if (container.image.startsWith('polyedge/')) assert.equal(securityContext?.readOnlyRootFilesystem, true, name);
        }
        for (const { name: each, livenessProbe, readinessProbe, startupProbe } of pod.containers)
          assert.ok(livenessProbe && readinessProbe && startupProbe, `${name}: ${each} is asked whether it starts, lives and serves`);
      }
    });

    test(`${overlay}: every Secret that is mounted is one that secrets.mjs makes, with every file that a setting names`, () => {
      for (const { name, pod } of podsOf(manifests)) {
        const mounted = new Map(
          (pod.volumes ?? []).flatMap(({ name: volume, secret }) => (secret === undefined ? [] : [[volume, secret.secretName]])),
        );
        for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
          const folders = new Map((container.volumeMounts ?? []).map(({ name: volume, mountPath }) => [mountPath, mounted.get(volume)]));
          for (const { name: variable, value = '' } of [...(container.env ?? []), ...shared(manifests, container)]) {
            if (!variable.endsWith('_FILE')) continue;
            const folder = value.slice(0, value.lastIndexOf('/'));
            const secret = folders.get(folder);
            if (!folders.has(folder)) assert.fail(`${name}: ${variable} names ${value}, and nothing is mounted there`);
            if (secret === undefined) continue;
            assert.ok(
              secrets.get(secret)?.includes(value.slice(folder.length + 1)),
              `${name}: ${variable} names ${value}, which ${secret} lacks`,
            );
          }
        }
        for (const secret of mounted.values())
          if (isOurs(name) || secret.startsWith('polyedge-')) assert.ok(secrets.has(secret), `${name}: ${secret}`);
      }
    });

    test(`${overlay}: network policies allow what the architecture has, and nothing else`, () => {
      const policies = ofKind(manifests, 'NetworkPolicy');
      // One stands in Jaseci's own namespace, whose policies are not ours to make.
      const pods = podsOf(manifests).filter(({ labels }) => labels['app.kubernetes.io/part-of'] === 'polyedge');
      assert.equal(pods.length === 0, overlay === 'jaseci');
      for (const { spec, metadata } of policies) assert.deepEqual(spec.policyTypes, ['Ingress', 'Egress'], metadata.name);
      for (const { name, labels, pod } of pods) {
        const own = policies.filter(({ spec }) => selects(spec.podSelector ?? {}, labels));
        assert.ok(
          own.some(({ spec }) => spec.ingress === undefined && spec.egress === undefined),
          `${name}: what is not allowed is refused`,
        );
        const rules = own.flatMap(({ spec }) => spec.ingress ?? []);
        const way = own.flatMap(({ spec }) => spec.egress ?? []);
        if (!isOurs(name)) {
          // Servers are asked by those that have a user there, and ask nobody.
          assert.deepEqual(opened(way), [], name);
          for (const { name: asker, labels: theirs } of pods.filter((each) => isOurs(each.name))) {
            const port = ports[name as 'nats' | 'redis' | 'postgres'];
            const letIn = rules.some(
              ({ from = [], ports: open = [] }) =>
                open.some((each) => each.port === port) &&
                from.some(({ podSelector }) => podSelector !== undefined && selects(podSelector, theirs)),
            );
            assert.equal(letIn, reaches(asker).includes(`TCP ${port}`), `${asker} at ${name}`);
          }
          continue;
        }
        // Pricings are fetched from where their users say, which are public addresses.
        const outside = way.filter(({ to }) => to !== undefined);
        assert.equal(outside.length, name === 'space-edge' ? 1 : 0, name);
        for (const { to = [] } of outside)
          assert.ok(
            to.every(({ ipBlock }) => (ipBlock?.except ?? []).includes('10.0.0.0/8')),
            name,
          );
        assert.deepEqual(opened(way.filter(({ to }) => to === undefined)), reaches(name), `${name} reaches`);
        const open = pod.containers.flatMap((container) => container.ports ?? []);
        const forAnybody = open.filter((port) => port.name === 'clients').map(({ containerPort }) => `TCP ${containerPort}`);
        const forWatchers = open.filter((port) => port.name === 'metrics').map(({ containerPort }) => `TCP ${containerPort}`);
        assert.deepEqual(opened(rules.filter(({ from }) => from === undefined)), forAnybody, `${name} lets in`);
        assert.deepEqual(
          opened(rules.filter(({ from }) => from !== undefined)),
          forWatchers,
          `${name} lets those in who watch the cluster`,
        );
        for (const { namespaceSelector } of rules.flatMap(({ from = [] }) => from))
          assert.deepEqual(namespaceSelector?.matchLabels, { 'polyedge.io/monitoring': 'true' }, name);
      }
    });
  }

  test('replicas of each of two journals serve theirs alone, and know both databases, in which a move may have to be ended', () => {
    const stores = podsOf(all.get('two-journals') ?? []).filter(({ name }) => name === 'graph-store');
    const env = stores.map(({ pod }) => new Map(pod.containers.flatMap(({ env = [] }) => env.map(({ name, value }) => [name, value]))));
    assert.deepEqual(env.map((each) => each.get('GRAPH_STORE_SERVES')).sort(), ['main', 'second']);
    for (const each of env) for (const name of ['DATABASE_URL_FILE', 'POLYEDGE_JOURNALS_FILE']) assert.ok(each.has(name), name);
  });

  test('the Job that places and moves tenants has the databases as their owners, bounds, no rights, and asks PostgreSQL and Redis alone', () => {
    const [{ spec: job } = {}] = ofKind(tenants, 'Job');
    const [{ spec: policy } = {}] = ofKind(tenants, 'NetworkPolicy');
    const { labels } = job?.template?.metadata ?? {};
    const pod = job?.template?.spec;
    const [container] = pod?.containers ?? [];
    assert.ok(labels && pod && container && policy?.podSelector);
    assert.equal(pod.securityContext?.runAsNonRoot, true);
    assert.equal(container.securityContext?.readOnlyRootFilesystem, true);
    assert.ok(container.resources?.limits?.memory && container.resources.requests);
    assert.ok(
      existsSync(join(root, 'services/graph-store', container.command?.[1]?.replace('service/', '') ?? '')),
      container.command?.[1],
    );
    assert.match(container.image, /^polyedge\/graph-store:\d/);
    const mounted = new Map((pod.volumes ?? []).map(({ name, secret }) => [name, secret?.secretName]));
    const folders = new Map((container.volumeMounts ?? []).map(({ name, mountPath }) => [mountPath, mounted.get(name)]));
    for (const { name, value = '' } of container.env ?? []) {
      const secret = folders.get(value.slice(0, value.lastIndexOf('/')));
      assert.ok(secrets.get(secret ?? '')?.includes(value.slice(value.lastIndexOf('/') + 1)), name);
    }
    assert.deepEqual((container.env ?? []).map(({ name }) => name).sort(), [
      'DATABASE_ADMIN_URL_FILE',
      'DATABASE_URL_FILE',
      'POLYEDGE_ADMIN_JOURNALS_FILE',
      'POLYEDGE_JOURNALS_FILE',
      'REDIS_URL_FILE',
    ]);
    assert.ok(selects(policy.podSelector, labels));
    assert.deepEqual(opened(policy.egress), ['TCP 53', 'TCP 5432', 'TCP 6379', 'UDP 53']);
    assert.equal(policy.ingress, undefined);
    // What is not allowed is refused, and it is none of the store's replicas.
    const others = ofKind(all.get('two-journals') ?? [], 'NetworkPolicy').filter(({ spec }) => selects(spec.podSelector ?? {}, labels));
    assert.ok(others.length === 1 && others[0]?.spec.ingress === undefined && others[0]?.spec.egress === undefined);
  });

  test('autoscalers go by metrics that the services export, and that the adapter passes on', () => {
    const sources = globSync(['libs/*/src/**/*.ts', 'services/*/src/**/*.ts'], { cwd: root }).map((file) =>
      readFileSync(join(root, file), 'utf8'),
    );
    const exported = new Set(sources.flatMap((text) => [...text.matchAll(/\.gauge\(\s*'([a-z_]+)'/g)].map(([, name]) => name)));
    const adapter: {
      readonly rules: { readonly custom: readonly { readonly seriesQuery: string; readonly name: { readonly as: string } }[] };
    } = parse(readFileSync(join(root, 'infra/k8s/overlays/connections/prometheus-adapter.yaml'), 'utf8'));
    const passed = new Set(adapter.rules.custom.map(({ name }) => name.as));
    for (const { seriesQuery } of adapter.rules.custom) assert.ok(exported.has(seriesQuery.split('{')[0]), seriesQuery);
    const scaled = [...all.values()].flatMap((manifests) => ofKind(manifests, 'HorizontalPodAutoscaler'));
    const names = scaled.flatMap(({ spec }) => (spec.metrics ?? []).flatMap(({ pods }) => (pods === undefined ? [] : [pods.metric.name])));
    assert.ok(names.length > 0);
    for (const name of names) assert.ok(exported.has(name) && passed.has(name), name);
  });
});
