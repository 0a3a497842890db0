// Prints the Secrets of infra/k8s as JSON, with passwords made up anew each time: node infra/k8s/secrets.mjs | kubectl apply -n polyedge -f -
// Read from the environment where set: POLYEDGE_ADMIN_PASSWORD, POLYEDGE_SECRET_KEY, JWT_SECRET (of SPACE's pricing tokens), JSSOCKET_AUTH (the hex
// of the bcrypt hash of the cores' secret; without it jssocket-edge does not start). Keep what it printed: the database's signing key is unreadable without its secret key.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const infra = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = mkdtempSync(join(tmpdir(), 'polyedge-secrets-'));
try {
  const made = spawnSync(process.execPath, [join(infra, 'docker/secrets.mjs')], {
    env: { ...process.env, SECRETS: folder, INFRA: infra },
    encoding: 'utf8',
  });
  if (made.status !== 0) throw new Error(made.stderr);
  process.stderr.write(made.stdout);
  const { JSSOCKET_AUTH: auth } = process.env;
  if (!auth) process.stderr.write('JSSOCKET_AUTH is not set: jssocket-edge will not start until its Secret has jssocket_auth.\n');
  const items = readdirSync(folder)
    .filter((name) => name !== 'made')
    .map((name) => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: `polyedge-${name}`, labels: { 'app.kubernetes.io/part-of': 'polyedge' } },
      stringData: {
        ...Object.fromEntries(readdirSync(join(folder, name)).map((file) => [file, readFileSync(join(folder, name, file), 'utf8')])),
        ...(name === 'jssocket-edge' && auth ? { jssocket_auth: auth } : {}),
      },
    }));
  process.stdout.write(`${JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, undefined, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
