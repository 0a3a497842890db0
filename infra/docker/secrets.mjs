// Makes up, once, the passwords of the containers of docker-compose.yml: a folder for each, which it alone mounts. Plain JavaScript without
// dependencies, since it runs in Node's own image. Reads infra/ from /infra and writes below /secrets.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const target = process.env.SECRETS ?? '/secrets';
const infra = process.env.INFRA ?? '/infra';
const made = join(target, 'made', 'passwords.json');
const names = ['graph-store', 'hiro-edge', 'saga-edge', 'saga-runner', 'space-edge', 'gooduncle-edge', 'jssocket-edge', 'console'];
const password = () => `p${randomBytes(24).toString('hex')}`;

const forEach = (kept) => Object.fromEntries(names.map((name) => [name, kept?.[name] ?? password()]));

const fresh = !existsSync(made);
const known = fresh ? {} : JSON.parse(readFileSync(made, 'utf8'));
const secrets = {
  postgresOwner: password(),
  postgresServing: password(),
  secondOwner: password(),
  secondServing: password(),
  adminPassword: process.env.POLYEDGE_ADMIN_PASSWORD || randomBytes(12).toString('base64url'),
  secretKey: process.env.POLYEDGE_SECRET_KEY || randomBytes(32).toString('base64'),
  pricingTokens: process.env.JWT_SECRET || randomBytes(32).toString('base64'),
  ...known,
  // A service that came with an upgrade has none yet.
  nats: forEach(known.nats),
  redis: forEach(known.redis),
};

// `$NATS_PASSWORD_HIRO_EDGE` stands in the committed files where a password belongs.
const filled = (file, prefix, passwords, quote) =>
  names.reduce(
    (text, name) => text.replaceAll(`$${prefix}_PASSWORD_${name.replaceAll('-', '_').toUpperCase()}`, `${quote}${passwords[name]}${quote}`),
    readFileSync(join(infra, file), 'utf8'),
  );
// Redis reads no comments in an ACL file.
const acl = filled('redis/users.acl', 'REDIS', secrets.redis, '').replace(/^#.*\n/gm, '');
const database = (user, word, host = 'postgres') => `postgres://${user}:${word}@${host}:5432/polyedge`;
const serving = database('polyedge_serving', secrets.postgresServing);
const journals = `second=${database('polyedge_serving', secrets.secondServing, 'postgres-second')}`;

const folders = {
  nats: {
    'nats.conf': readFileSync(join(infra, 'nats/nats.conf'), 'utf8'),
    'users.conf': filled('nats/users.conf', 'NATS', secrets.nats, '"'),
  },
  redis: { 'users.acl': acl },
  postgres: { owner_password: secrets.postgresOwner, serving_password: secrets.postgresServing },
  // Of the profile two-journals: who serves the second journal reads accounts in the first database, and either may have to end a tenant's move.
  'postgres-second': { owner_password: secrets.secondOwner, serving_password: secrets.secondServing },
  'prepare-second': {
    ...toPrepare(),
    // A move asks how far consumer groups are.
    redis_url: ofService('graph-store').redis_url,
    journals,
    admin_journals: `second=${database('polyedge', secrets.secondOwner, 'postgres-second')}`,
  },
  'graph-store-second': { ...ofService('graph-store'), database_url: serving, journals, secret_key: secrets.secretKey },
  prepare: toPrepare(),
  ...Object.fromEntries(
    names.map((name) => [
      name,
      {
        ...ofService(name),
        ...(name === 'graph-store' ? storeOnly() : {}),
        ...(name === 'space-edge' ? { jwt_secret: secrets.pricingTokens } : {}),
      },
    ]),
  ),
};

function toPrepare() {
  return { database_url: serving, database_admin_url: database('polyedge', secrets.postgresOwner) };
}

function ofService(name) {
  return { nats_password: secrets.nats[name], redis_url: `redis://${name}:${secrets.redis[name]}@redis:6379` };
}

function storeOnly() {
  return { database_url: serving, journals, secret_key: secrets.secretKey, admin_password: secrets.adminPassword };
}

for (const [folder, files] of Object.entries(folders)) {
  mkdirSync(join(target, folder), { recursive: true });
  // Each container sees its own folder only, under an account that this image does not know.
  for (const [file, text] of Object.entries(files)) writeFileSync(join(target, folder, file), text, { mode: 0o444 });
}
mkdirSync(join(target, 'made'), { recursive: true });
writeFileSync(made, JSON.stringify(secrets, undefined, 2), { mode: 0o600 });
if (fresh && !process.env.POLYEDGE_ADMIN_PASSWORD) console.log(`The administrator's password, shown this once: ${secrets.adminPassword}`);
