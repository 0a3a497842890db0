// The last step of the first stage of the Dockerfile, in the installed workspace: leaves of it what one service needs to run, and writes down
// what that is (sbom.cdx.json, CycloneDX). The same sources leave the same files. Plain JavaScript, since packages for production are all there is.
import { existsSync, globSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const [service] = process.argv.slice(2);
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

// Other services, and libraries that this one does not reach through the links that pnpm made.
for (const name of readdirSync('services')) if (name !== service) rmSync(join('services', name), { recursive: true });
const needed = new Set();
const reach = (folder) => {
  const links = join(folder, 'node_modules/@polyedge');
  for (const name of existsSync(links) ? readdirSync(links) : []) {
    if (needed.has(name)) continue;
    needed.add(name);
    reach(join('libs', basename(readlinkSync(join(links, name)))));
  }
};
reach(join('services', service));
for (const name of readdirSync('libs')) if (!needed.has(name)) rmSync(join('libs', name), { recursive: true });

// What no program reads: descriptions of types, maps, and pnpm's notes for itself, which have the time in them.
const unread = ['node_modules/.pnpm/**/*.{map,d.ts,d.mts,d.cts}', 'node_modules/.modules.yaml', 'node_modules/.pnpm-workspace-state*.json'];
for (const file of globSync([...unread, 'node_modules/.pnpm/lock.yaml'])) rmSync(file, { force: true });

const component = ({ name, version, license }, type) => ({
  type,
  name,
  version,
  ...(typeof license === 'string' ? { licenses: [{ expression: license }] } : {}),
  purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
});
const packages = globSync(['node_modules/.pnpm/*/node_modules/*/package.json', 'node_modules/.pnpm/*/node_modules/@*/*/package.json'])
  .map(json)
  .filter(({ name, version }) => typeof name === 'string' && typeof version === 'string');
const components = new Map(packages.map((one) => [`${one.name}@${one.version}`, component(one, 'library')]));
const sbom = {
  bomFormat: 'CycloneDX',
  specVersion: '1.6',
  version: 1,
  metadata: { component: component({ ...json('package.json'), ...json(join('services', service, 'package.json')) }, 'application') },
  components: [
    { type: 'application', name: 'node', version: process.versions.node, purl: `pkg:generic/node@${process.versions.node}` },
    ...[...components].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, each]) => each),
  ],
};
writeFileSync('sbom.cdx.json', `${JSON.stringify(sbom, undefined, 2)}\n`);
