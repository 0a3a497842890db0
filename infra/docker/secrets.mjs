// Makes up, once, the passwords of the containers of docker-compose.yml: a folder for each, which it alone mounts. Plain JavaScript without
// dependencies, since it runs in Node's own image. Reads infra/ from /infra and writes below /secrets.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const target = process.env.SECRETS ?? '/secrets';
const infra = process.env.INFRA ?? '/infra';
const made = join(target, 'made', 'passwords.json');
const names = ['graph-store', 'hiro-edge', 'saga-edge', 'saga-runner', 'space-edge', 'gooduncle-edge', 'jssocket-edge'];
const password = () => `p${randomBytes(24).toString('hex')}`;

const fresh = !existsSync(made);
const known = fresh ? {} : JSON.parse(readFileSync(made, 'utf8'));
const secrets = {
  nats: Object.fromEntries(names.map((name) => [name, password()])),
  redis: Object.fromEntries(names.map((name) => [name, password()])),
  postgresOwner: password(),
  postgresServing: password(),
  adminPassword: process.env.POLYEDGE_ADMIN_PASSWORD || randomBytes(12).toString('base64url'),
  secretKey: process.env.POLYEDGE_SECRET_KEY || randomBytes(32).toString('base64'),
  pricingTokens: process.env.JWT_SECRET || randomBytes(32).toString('base64'),
  ...known,
};

// `$NATS_PASSWORD_HIRO_EDGE` stands in the committed files where a password belongs.
const filled = (file, prefix, passwords, quote) =>
  names.reduce(
    (text, name) => text.replaceAll(`$${prefix}_PASSWORD_${name.replaceAll('-', '_').toUpperCase()}`, `${quote}${passwords[name]}${quote}`),
    readFileSync(join(infra, file), 'utf8'),
  );
// Redis reads no comments in an ACL file.
const acl = filled('redis/users.acl', 'REDIS', secrets.redis, '').replace(/^#.*\n/gm, '');
const database = (user, word) => `postgres://${user}:${word}@postgres:5432/polyedge`;
const serving = database('polyedge_serving', secrets.postgresServing);

const folders = {
  nats: {
    'nats.conf': readFileSync(join(infra, 'nats/nats.conf'), 'utf8'),
    'users.conf': filled('nats/users.conf', 'NATS', secrets.nats, '"'),
  },
  redis: { 'users.acl': acl },
  postgres: { owner_password: secrets.postgresOwner, serving_password: secrets.postgresServing },
  prepare: { database_url: serving, database_admin_url: database('polyedge', secrets.postgresOwner) },
  ...Object.fromEntries(
    names.map((name) => [
      name,
      {
        nats_password: secrets.nats[name],
        redis_url: `redis://${name}:${secrets.redis[name]}@redis:6379`,
        ...(name === 'graph-store' ? storeOnly() : {}),
        ...(name === 'space-edge' ? { jwt_secret: secrets.pricingTokens } : {}),
      },
    ]),
  ),
};

function storeOnly() {
  return { database_url: serving, secret_key: secrets.secretKey, admin_password: secrets.adminPassword };
}

for (const [folder, files] of Object.entries(folders)) {
  mkdirSync(join(target, folder), { recursive: true });
  // Each container sees its own folder only, under an account that this image does not know.
  for (const [file, text] of Object.entries(files)) writeFileSync(join(target, folder, file), text, { mode: 0o444 });
}
mkdirSync(join(target, 'made'), { recursive: true });
writeFileSync(made, JSON.stringify(secrets, undefined, 2), { mode: 0o600 });
if (fresh && !process.env.POLYEDGE_ADMIN_PASSWORD) console.log(`The administrator's password, shown this once: ${secrets.adminPassword}`);
