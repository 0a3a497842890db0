/** The images of docker-compose.yml, of infra/docker and of infra/k8s: whole versions, the same everywhere, and ours under the names that are built. */
import assert from 'node:assert/strict';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { suite, test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

/** Every text under the key `image`, anywhere in a document. */
function imagesIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(imagesIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => (key === 'image' && typeof inner === 'string' ? [inner] : imagesIn(inner)));
}

interface Compose {
  readonly services: Readonly<Record<string, { readonly image: string; readonly build?: { readonly args: { readonly SERVICE: string } } }>>;
}
const compose: Compose = parse(read('docker-compose.yml'), { merge: true });
const inCompose = Object.values(compose.services).map(({ image }) => image);
const inDockerfile = [...read('infra/docker/Dockerfile').matchAll(/^FROM (\S+)/gm)].map(([, image = '']) => image);
const manifests = globSync('infra/k8s/**/*.yaml', { cwd: root });
const inManifests = manifests.flatMap((file) => parseAllDocuments(read(file)).flatMap((document) => imagesIn(document.toJS())));
/** What the kustomizations say about images: each gets its version there. */
const tagged = manifests
  .filter((file) => file.endsWith('kustomization.yaml'))
  .flatMap((file): { readonly name: string; readonly newTag: string }[] => parse(read(file)).images ?? []);
const { version }: { readonly version: string } = JSON.parse(read('package.json'));

/** A release, with what it is built on behind it: never `latest`, a major version or a name that moves. PostgreSQL and Debian count their releases with two numbers. */
const wholeVersion = (image: string): boolean =>
  /^[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9]+)*(@sha256:[0-9a-f]{64})?$/.test(image) ||
  /^(postgres|debian):\d+\.\d+(-[a-z0-9]+)*(@sha256:[0-9a-f]{64})?$/.test(image);

suite('images', () => {
  test('are named with whole versions', () => {
    assert.ok(inCompose.length >= 15 && inDockerfile.length === 2 && inManifests.length >= 10 && tagged.length >= 7);
    const ours = new Map(tagged.map(({ name, newTag }) => [name, newTag]));
    for (const image of [
      ...inCompose,
      ...inDockerfile,
      ...inManifests.map((name) => (ours.has(name) ? `${name}:${ours.get(name)}` : name)),
    ])
      assert.ok(wholeVersion(image), `${image} is not a whole version`);
    for (const loose of ['redis', 'redis:latest', 'redis:8', 'redis:8.2-alpine', 'redis:alpine', 'grafana/grafana:main', 'postgres:18'])
      assert.equal(wholeVersion(loose), false, `${loose} would be found`);
  });

  test('of others have the same version in containers and on one node of Kubernetes', () => {
    for (const name of ['nats', 'redis', 'postgres', 'node']) {
      const versions = [...inCompose, ...inDockerfile, ...inManifests].filter((image) => image.startsWith(`${name}:`));
      assert.ok(versions.length >= 2, name);
      assert.deepEqual([...new Set(versions)].length, 1, versions.join(' '));
    }
  });

  test('of ours are called the same wherever they are built and used, in the version of this workspace', () => {
    const built = new Map(
      Object.values(compose.services).flatMap(({ image, build }) => (build === undefined ? [] : [[build.args.SERVICE, image]])),
    );
    assert.deepEqual([...built.keys()].sort(), readdirSync(join(root, 'services')).sort());
    assert.match(read('infra/docker/Dockerfile'), new RegExp(`image\\.version="${version.replaceAll('.', '\\.')}"`));
    const [base = ''] = inDockerfile.slice(-1);
    assert.ok(
      read('infra/docker/Dockerfile').includes(`image.base.name="docker.io/library/${base}"`),
      'the label names what the image is made of',
    );
    for (const [service, image] of built) assert.equal(image, `polyedge/${service}:${version}`);
    const names = new Set([...built.keys()].map((service) => `polyedge/${service}`));
    for (const { name, newTag } of tagged) assert.ok(names.has(name) && newTag === version, `${name}:${newTag} is not what is built`);
    // Without a version where a kustomization gives it.
    for (const image of inManifests.filter((name) => name.includes('polyedge') || name.includes('/')))
      assert.ok(names.has(image.replace(`:${version}`, '')), `${image} is not what is built`);
    const page = read('infra/k8s/README.md');
    assert.match(page, new RegExp(`-t polyedge/\\$service:${version.replaceAll('.', '\\.')} \\.$`, 'm'));
    const [, example = ''] = /imagetools inspect (\S+)`/.exec(read('docs/operations.md')) ?? [];
    assert.ok(inCompose.includes(example), `docs/operations.md pins ${example}, which nothing uses`);
    for (const service of built.keys()) assert.match(page, new RegExp(`for service in .*\\b${service}\\b`));
  });
});
