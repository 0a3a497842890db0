import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';

const folder = join(import.meta.dirname, '../infra/k8s/overlays/jaseci');
const read = (name: string) => parse(readFileSync(join(folder, name), 'utf8'));

test("jssocket:42 the overlay has the names of Jaseci's manifest: Service jaseci-socket on port 80, Secret jaseci-socket-auth with the key auth", () => {
  assert.deepEqual(read('kustomization.yaml').resources, ['deployment.yaml', 'service.yaml']);
  const service = read('service.yaml');
  const { metadata, spec } = read('deployment.yaml');
  assert.deepEqual([service.kind, service.metadata.name, service.spec.ports[0].port], ['Service', 'jaseci-socket', 80]);
  assert.equal(metadata.name, 'jaseci-socket');
  assert.deepEqual(service.spec.selector, spec.template.metadata.labels);
  assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  const [container] = spec.template.spec.containers;
  const auth = container.env.find(({ name }: { readonly name: string }) => name === 'SOCKET_AUTH');
  assert.deepEqual(auth.valueFrom, { secretKeyRef: { name: 'jaseci-socket-auth', key: 'auth' } });
  assert.deepEqual([container.livenessProbe.httpGet.path, container.readinessProbe.httpGet.path], ['/healthz', '/readyz']);
  const named = container.ports.find(({ name }: { readonly name: string }) => name === service.spec.ports[0].targetPort);
  const port = container.env.find(({ name }: { readonly name: string }) => name === 'PORT');
  assert.equal(String(named.containerPort), port.value);
  // The drain of the service fits into the pod's termination grace period.
  assert.ok(spec.template.spec.terminationGracePeriodSeconds >= 35);
});
