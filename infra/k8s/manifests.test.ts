/** What kubectl makes of infra/k8s: valid by the schemas of Kubernetes, whole in itself, and fitting to the services' own settings. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { readConfig } from '@polyedge/service-kit/config';
import type { Settings } from '@polyedge/service-kit/settings';
import { findProgram, kubectlProgram } from '@polyedge/testkit/servers/find-program';
import { parse, parseAllDocuments } from 'yaml';

const root = resolve(import.meta.dirname, '../..');
const overlays = readdirSync(join(root, 'infra/k8s/overlays'));
/** What kustomize 2.0 (kubectl 1.20) and today's both know. */
const fields = [
  'apiVersion',
  'kind',
  'namespace',
  'bases',
  'resources',
  'patchesStrategicMerge',
  'configMapGenerator',
  'images',
  'commonLabels',
];

/** A manifest, as far as these tests look into it. Everything is checked against the schemas first. */
interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly labels?: Labels };
  readonly spec: {
    readonly selector?: { readonly matchLabels?: Labels } & Labels;
    readonly podSelector?: { readonly matchLabels?: Labels };
    readonly scaleTargetRef?: { readonly kind: string; readonly name: string };
    readonly ports?: readonly { readonly targetPort: string }[];
    readonly rules?: readonly {
      readonly http: {
        readonly paths: readonly {
          readonly backend: { readonly service: { readonly name: string; readonly port: { readonly name: string } } };
        }[];
      };
    }[];
    readonly template?: { readonly metadata: { readonly labels: Labels }; readonly spec: Pod };
  };
  readonly data?: Readonly<Record<string, string>>;
}
type Labels = Readonly<Record<string, string>>;
interface Probe {
  readonly httpGet?: { readonly path: string; readonly port: string };
}
interface Container {
  readonly name: string;
  readonly image: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly envFrom?: readonly { readonly configMapRef: { readonly name: string } }[];
  readonly resources?: { readonly limits?: { readonly memory?: string }; readonly requests?: unknown };
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly startupProbe?: Probe;
  readonly securityContext?: { readonly allowPrivilegeEscalation?: boolean };
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}
interface Pod {
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly { readonly name: string }[];
  readonly enableServiceLinks?: boolean;
  readonly automountServiceAccountToken?: boolean;
  readonly serviceAccountName?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly securityContext?: { readonly runAsNonRoot?: boolean };
}

const rendered = new Map<string, readonly Manifest[]>();
function render(overlay: string): readonly Manifest[] {
  const known = rendered.get(overlay);
  if (known !== undefined) return known;
  const kubectl = findProgram(kubectlProgram);
  assert.equal(kubectl.kind, 'file');
  const text = execFileSync(kubectl.kind === 'file' ? kubectl.path : '', ['kustomize', join(root, 'infra/k8s/overlays', overlay)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const manifests: readonly Manifest[] = parseAllDocuments(text).map((document) => document.toJS());
  rendered.set(overlay, manifests);
  return manifests;
}

/** What is applied by itself beside an overlay: other files than those that its kustomization names. */
function beside(overlay: string): readonly Manifest[] {
  const folder = join(root, 'infra/k8s/overlays', overlay);
  const { resources = [], patchesStrategicMerge = [] } = parse(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'));
  const known = new Set(['kustomization.yaml', ...resources, ...patchesStrategicMerge]);
  return readdirSync(folder)
    .filter((name) => !known.has(name))
    .flatMap((name) => parseAllDocuments(readFileSync(join(folder, name), 'utf8')).map((document): Manifest => document.toJS()))
    .filter(({ kind }) => kind !== undefined);
}

const ofKind = (manifests: readonly Manifest[], kind: string) => manifests.filter((manifest) => manifest.kind === kind);
const workloads = (manifests: readonly Manifest[]) => [...ofKind(manifests, 'Deployment'), ...ofKind(manifests, 'StatefulSet')];
const podOf = ({ spec, metadata }: Manifest): Pod => {
  assert.ok(spec.template, metadata.name);
  return spec.template.spec;
};
/** The service whose image a workload runs: the replicas of a further journal have a name of their own. */
const serviceOf = (workload: Manifest): string =>
  /^polyedge\/([a-z-]+)/.exec(podOf(workload).containers[0]?.image ?? '')?.[1] ?? workload.metadata.name;
const selects = (selector: Labels | undefined, labels: Labels) =>
  selector !== undefined && Object.entries(selector).every(([name, value]) => labels[name] === value);

suite('infra/k8s', () => {
  test('keeps to what the kustomize of kubectl 1.20 and of today both know', () => {
    for (const folder of ['base', ...overlays.map((name) => `overlays/${name}`)]) {
      const { resources = [], ...kustomization } = parse(readFileSync(join(root, 'infra/k8s', folder, 'kustomization.yaml'), 'utf8'));
      for (const name of Object.keys(kustomization)) assert.ok(fields.includes(name), `${folder}: ${name}`);
      for (const name of resources) assert.match(name, /\.yaml$/, `${folder}: folders stand under bases`);
    }
  });

  for (const overlay of overlays) {
    test(`${overlay} renders, and every object is valid by the schema of its kind`, async () => {
      for (const manifest of [...render(overlay), ...beside(overlay)]) {
        const kinds: Record<string, { new (data: unknown): { validate(): void } }> = await import(
          `kubernetes-models/${manifest.apiVersion}`
        );
        const Kind = kinds[manifest.kind];
        assert.ok(Kind, `${manifest.apiVersion} ${manifest.kind}`);
        const { name } = manifest.metadata;
        assert.doesNotThrow(() => new Kind(manifest).validate(), `${manifest.kind} ${name}`);
        if (manifest.spec?.template !== undefined) {
          const broken = structuredClone(manifest);
          Object.assign(broken.spec.template?.spec ?? {}, { containers: 'none' });
          assert.throws(() => new Kind(broken).validate());
        }
      }
    });

    test(`${overlay} is whole: selectors, probes, limits, ports, accounts and volumes fit together`, () => {
      const manifests = render(overlay);
      for (const workload of workloads(manifests)) {
        const { name } = workload.metadata;
        const pod = podOf(workload);
        const labels = workload.spec.template?.metadata.labels ?? {};
        assert.ok(selects(workload.spec.selector?.matchLabels, labels), name);
        assert.equal(pod.enableServiceLinks, false, name);
        assert.equal(pod.automountServiceAccountToken, false, name);
        assert.equal(pod.securityContext?.runAsNonRoot, true, name);
        if (pod.serviceAccountName !== undefined)
          assert.ok(
            ofKind(manifests, 'ServiceAccount').some(({ metadata }) => metadata.name === pod.serviceAccountName),
            name,
          );
        const volumes = new Set(pod.volumes?.map((volume) => volume.name));
        for (const container of [...pod.containers, ...(pod.initContainers ?? [])]) {
          assert.ok(container.resources?.limits?.memory, `${name}: ${container.name} has limits`);
          assert.ok(container.resources.requests, `${name}: ${container.name} says what it needs`);
          assert.match(container.image, /^[^:]+:[^:]+$/, `${name}: ${container.image} has a tag`);
          assert.equal(container.securityContext?.allowPrivilegeEscalation, false, name);
          for (const mount of container.volumeMounts ?? [])
            if (mount.name !== 'data') assert.ok(volumes.has(mount.name), `${name}: volume ${mount.name}`);
        }
        for (const container of pod.containers) {
          const ports = new Set(container.ports?.map((port) => port.name));
          assert.ok(container.readinessProbe && container.livenessProbe, name);
          for (const [probe, path] of [
            [container.livenessProbe, '/healthz'],
            [container.startupProbe, '/healthz'],
            [container.readinessProbe, '/readyz'],
          ] as const) {
            if (probe?.httpGet === undefined) continue;
            assert.equal(probe.httpGet.path, path, name);
            assert.ok(ports.has(probe.httpGet.port), `${name}: probe on ${probe.httpGet.port}`);
          }
        }
      }
      const targets = workloads(manifests);
      for (const service of ofKind(manifests, 'Service')) {
        const selected = targets.filter((workload) => selects(service.spec.selector, workload.spec.template?.metadata.labels ?? {}));
        assert.equal(selected.length, 1, `the service ${service.metadata.name} has one workload behind it`);
        for (const { targetPort } of service.spec.ports ?? []) {
          assert.ok(
            selected.some((one) => podOf(one).containers.some(({ ports }) => ports?.some(({ name }) => name === targetPort))),
            service.metadata.name,
          );
        }
      }
      for (const { metadata, spec } of ofKind(manifests, 'HorizontalPodAutoscaler')) {
        assert.ok(
          targets.some((one) => one.kind === spec.scaleTargetRef?.kind && one.metadata.name === spec.scaleTargetRef.name),
          metadata.name,
        );
      }
      for (const { metadata, spec } of [...ofKind(manifests, 'PodDisruptionBudget'), ...ofKind(manifests, 'NetworkPolicy')]) {
        const selector = spec.selector?.matchLabels ?? spec.podSelector?.matchLabels;
        assert.ok(
          targets.some((one) => selects(selector, one.spec.template?.metadata.labels ?? {})),
          metadata.name,
        );
      }
      for (const { spec, metadata } of ofKind(manifests, 'Ingress')) {
        for (const { backend } of spec.rules?.flatMap(({ http }) => http.paths) ?? []) {
          assert.ok(
            ofKind(manifests, 'Service').some((service) => service.metadata.name === backend.service.name),
            metadata.name,
          );
        }
      }
    });

    test(`${overlay} gives our services time to drain, and settings that they have and all that they require`, async () => {
      const manifests = render(overlay);
      for (const workload of ofKind(manifests, 'Deployment')) {
        const name = serviceOf(workload);
        const file = join(root, 'services', name, 'src/config.ts');
        const pod = podOf(workload);
        assert.ok((pod.terminationGracePeriodSeconds ?? 30) > 5 + 25 + 10, `${name}: pause, POLYEDGE_DRAIN_MS and stopping`);
        // One stands in a namespace of others, with settings from there.
        if (!existsSync(file) || overlay === 'jaseci') continue;
        const { settings }: { readonly settings: Settings } = await import(file);
        const [container] = pod.containers;
        assert.ok(container);
        const maps =
          container.envFrom?.map(
            ({ configMapRef }) => ofKind(manifests, 'ConfigMap').find(({ metadata }) => metadata.name === configMapRef.name)?.data,
          ) ?? [];
        assert.ok(
          maps.every((map) => map !== undefined),
          `${name}: its ConfigMaps are there`,
        );
        // Files are not there yet: what a secret holds is checked where it is made.
        const own = Object.fromEntries((container.env ?? []).map((each) => [each.name, each.value ?? '']));
        const inFiles = Object.fromEntries(
          Object.keys(own)
            .filter((each) => /(?:_URL|_AUTH|_KEY|_SECRET|_JOURNALS|PASSWORD)_FILE$/.test(each))
            .map((each) => [each.replace(/_FILE$/, ''), sample(each)]),
        );
        const plain = Object.fromEntries(Object.entries(own).filter(([each]) => !(each.replace(/_FILE$/, '') in inFiles)));
        const config = readConfig(name, settings, { ...Object.assign({}, ...maps), ...plain, ...inFiles });
        assert.ok(config.ok, `${name}: ${config.ok ? '' : config.problems.join('; ')}`);
        assert.deepEqual(config.warnings, [], `${name}: nothing insecure by default`);
        const port = container.ports?.find(({ name: each }) => each === 'clients' || each === 'health')?.containerPort;
        assert.equal(String(port), own.PORT, name);
      }
    });
  }
});

/** A value of the form that the setting wants. */
function sample(name: string): string {
  if (name === 'REDIS_URL_FILE') return 'redis://user:word@redis:6379';
  if (name.endsWith('_JOURNALS_FILE')) return 'second=postgres://user:word@postgres-second:5432/polyedge';
  if (name.startsWith('DATABASE')) return 'postgres://user:word@postgres:5432/polyedge';
  if (name === 'JSSOCKET_AUTH_FILE') return Buffer.from(`$2b$12$${'a'.repeat(53)}`).toString('hex');
  return 'a-secret-of-at-least-sixteen-characters';
}
