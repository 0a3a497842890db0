// The last step of the first stage of the Dockerfile, in the installed workspace: leaves of it what one service needs to run, and writes down
// what that is (sbom.cdx.json, CycloneDX). The same sources leave the same files. Plain JavaScript, since packages for production are all there is.
import { existsSync, globSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const [service] = process.argv.slice(2);
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

// Everything that the service reaches through the links that pnpm made: our own libraries, and packages of others.
const store = 'node_modules/.pnpm';
const reached = new Set();
const reach = (folder) => {
  if (reached.has(folder)) return;
  reached.add(folder);
  // A package of others finds what it depends on beside itself.
  const [entry] = folder.startsWith(`${store}/`) ? folder.slice(store.length + 1).split('/') : [];
  const links = entry === undefined ? join(folder, 'node_modules') : join(store, entry, 'node_modules');
  for (const link of existsSync(links) ? globSync(['*', '@*/*'], { cwd: links }) : []) {
    if (/^@[^/]+$|^\.bin$/.test(link)) continue;
    reach(relative('', realpathSync(join(links, link))));
  }
};
reach(join('services', service));

const entries = new Set([...reached].filter((one) => one.startsWith(`${store}/`)).map((one) => one.slice(store.length + 1).split('/')[0]));
const unreached = [
  ...['services', 'libs'].flatMap((folder) =>
    readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((one) => !reached.has(one)),
  ),
  ...readdirSync(store)
    .filter((name) => !entries.has(name))
    .map((name) => join(store, name)),
  // The console shows the documents.
  ...(service === 'console' ? [] : globSync(['docs', '*.md'])),
  // Pnpm's notes for itself, which have the time in them, and its links for programs that are not there.
  ...globSync(['node_modules/*', 'node_modules/.*', '{libs,services}/*/node_modules/.bin']).filter((one) => one !== store),
];
for (const one of unreached) rmSync(one, { recursive: true, force: true });
// What no program reads: descriptions of types, and maps.
for (const file of globSync(`${store}/**/*.{map,d.ts,d.mts,d.cts}`)) rmSync(file, { force: true });
// A service is found under one name in every image.
symlinkSync(`services/${service}`, 'service');

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
