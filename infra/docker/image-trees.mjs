// The last step of the first stage of the Dockerfile, in the installed workspace: makes for each service a folder with what it needs to run, and writes
// down what that is (sbom.cdx.json, CycloneDX). Files are linked, not copied. The same sources make the same folders. Plain JavaScript, since
// packages for production are all there is.
import {
  existsSync,
  globSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';

const [target] = process.argv.slice(2);
const json = (file) => JSON.parse(readFileSync(file, 'utf8'));
const store = 'node_modules/.pnpm';
const entryOf = (folder) => folder.slice(store.length + 1).split('/')[0];
/** Of a package of others no program reads these: descriptions of types, and maps. */
const unread = /\.(map|d\.ts|d\.mts|d\.cts)$/;

for (const service of readdirSync('services')) makeTree(service, join(target, service, 'app'));

function makeTree(service, into) {
  const reached = reachedFrom(join('services', service));
  const entries = new Set([...reached].filter((one) => one.startsWith(`${store}/`)).map(entryOf));
  for (const one of reached) if (!one.startsWith(`${store}/`)) link(one, join(into, one), () => true);
  for (const entry of entries) link(join(store, entry), join(into, store, entry), (name) => !unread.test(name));
  // The console shows the documents.
  const shown = service === 'console' ? ['docs', '*.md'] : [];
  for (const file of globSync(['*.{json,yaml}', 'healthy.*', ...shown])) link(file, join(into, file), () => true);
  // A service is found under one name in every image.
  symlinkSync(`services/${service}`, join(into, 'service'));
  writeFileSync(join(into, 'sbom.cdx.json'), `${JSON.stringify(bill(service, into), undefined, 2)}\n`);
}

/** The folders that one reaches through the links that pnpm made: our own libraries, and packages of others. */
function reachedFrom(first) {
  const reached = new Set();
  const reach = (folder) => {
    if (reached.has(folder)) return;
    reached.add(folder);
    // A package of others finds what it depends on beside itself.
    const links = folder.startsWith(`${store}/`) ? join(store, entryOf(folder), 'node_modules') : join(folder, 'node_modules');
    for (const link of existsSync(links) ? globSync(['*', '@*/*'], { cwd: links }) : []) {
      if (/^@[^/]+$|^\.bin$/.test(link)) continue;
      reach(relative('', realpathSync(join(links, link))));
    }
  };
  reach(first);
  return reached;
}

/** Links a file, or everything below a folder but links for programs that are not there. */
function link(from, to, wanted) {
  mkdirSync(dirname(to), { recursive: true });
  const files = (folder, into) => {
    mkdirSync(into, { recursive: true });
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const [source, place] = [join(folder, entry.name), join(into, entry.name)];
      if (entry.name === '.bin') continue;
      if (entry.isDirectory()) files(source, place);
      else if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), place);
      else if (wanted(entry.name)) linkSync(source, place);
    }
  };
  if (statSync(from).isDirectory()) files(from, to);
  else linkSync(from, to);
}

function bill(service, into) {
  const component = ({ name, version, license }, type) => ({
    type,
    name,
    version,
    ...(typeof license === 'string' ? { licenses: [{ expression: license }] } : {}),
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
  });
  const packages = globSync([`${store}/*/node_modules/*/package.json`, `${store}/*/node_modules/@*/*/package.json`], { cwd: into })
    .map((file) => json(join(into, file)))
    .filter(({ name, version }) => typeof name === 'string' && typeof version === 'string');
  const components = new Map(packages.map((one) => [`${one.name}@${one.version}`, component(one, 'library')]));
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: component({ ...json('package.json'), ...json(join('services', service, 'package.json')) }, 'application') },
    components: [
      { type: 'application', name: 'node', version: process.versions.node, purl: `pkg:generic/node@${process.versions.node}` },
      ...[...components].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, each]) => each),
    ],
  };
}
