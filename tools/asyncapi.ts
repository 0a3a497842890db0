/** Generates the AsyncAPI documents and the services' permissions in NATS and Redis from the channels and protocols. Run it after changing a channel. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asyncApi } from '@polyedge/contracts/asyncapi';
import { catalogue } from '@polyedge/contracts/catalogue';
import { protocolAsyncApi, protocols } from '@polyedge/contracts/wire/documents';
import { usersConf } from '../infra/nats/accounts.ts';
import { usersAcl } from '../infra/redis/users.ts';

const documents = {
  'docs/asyncapi/bus.json': `${JSON.stringify(asyncApi(catalogue), undefined, 2)}\n`,
  ...Object.fromEntries(
    Object.entries(protocols).map(([name, protocol]) => [
      `docs/asyncapi/${name}.json`,
      `${JSON.stringify(protocolAsyncApi(protocol), undefined, 2)}\n`,
    ]),
  ),
  'infra/nats/users.conf': usersConf(),
  'infra/redis/users.acl': usersAcl(),
};
for (const [file, text] of Object.entries(documents)) {
  writeFileSync(join(import.meta.dirname, '..', file), text);
  console.log(`wrote ${file}`);
}
