/** The users of our Redis, one per service that uses it: which keys, which commands. */

/** Commands that any connection needs; the last ones are for a cluster, to find who has a key. */
const connecting = '+ping +hello +auth +client|setname +info +select +cluster|slots +cluster|info +readonly +readwrite +asking';
const scripts = '+eval +evalsha +eval_ro +evalsha_ro';

/** Reads the partitions of the hot journal; keeps leases and members of groups beside them, under keys of their own. */
const GROUPS = '%R~{pe:*:[0-9]*}:* ~{pe:*:g*}:* ~{pe:*:e*}:*';
const grouping =
  '+xrange +xrevrange +hget +hset +hmget +hgetall +hdel +hincrby +hlen +hexists +get +set +exists +del +unlink +pexpire +time';

/** What a service may do, in Redis' own words; the names of the keys are in `libs/journal/src/keys.ts`. A script acts with its caller's rights. */
const rules: Readonly<Record<string, string>> = {
  // Writes the hot journal, and removes the keys of epochs that are over.
  'graph-store': `~{pe:*}:* -@all ${connecting} ${scripts} +xadd +xrange +xrevrange +xtrim +hget +hset +hmget +exists +scan +unlink`,
  // Like hiro-edge for its group; the responsibility for jobs and the running job under separate keys.
  'saga-runner': `${GROUPS} ~pe:saga-runner:* -@all ${connecting} ${scripts} ${grouping} +incr`,
  // Groups of clients.
  'hiro-edge': `${GROUPS} -@all ${connecting} ${scripts} ${grouping}`,
};

/** The services that have a user; it is named after the service. */
export const redisUsers: readonly string[] = Object.keys(rules);

/** The lines of an ACL file. @param password how a service's password stands in it: `>text` or `#sha256`. */
export const redisAcl = (password: (service: string) => string): readonly string[] =>
  Object.entries(rules).map(([service, rule]) => `user ${service} on ${password(service)} resetchannels ${rule}`);

/** The text of `infra/redis/users.acl`: each password is to be put in place of its variable, and the comment taken out. */
export const usersAcl = (): string =>
  `# Written by "node tools/asyncapi.ts" from infra/redis/users.ts.\n${['user default off', ...redisAcl((service) => `>$REDIS_PASSWORD_${service.replaceAll('-', '_').toUpperCase()}`)].join('\n')}\n`;
