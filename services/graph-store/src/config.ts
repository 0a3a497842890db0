/** Every setting of graph-store. */
import { commonSettings, databaseUrl, redisJournals, redisUrl } from '@polyedge/service-kit/common-settings';
import { boolean, duration, integer, secret, text, url } from '@polyedge/service-kit/settings';

export const settings = {
  ...commonSettings({ port: 5406 }),
  databaseUrl,
  databaseAdminUrl: url({
    env: 'DATABASE_ADMIN_URL',
    schemes: ['postgres', 'postgresql'],
    optional: true,
    doc: 'The same database as its owner, who may change tables; `DATABASE_URL` is then a role that only reads and writes rows. Not needed if `prepare.ts` ran before.',
  }),
  journals: secret({
    env: 'POLYEDGE_JOURNALS',
    optional: true,
    form: '`NAME=postgres://…`, several separated by white space',
    doc: 'Journals besides `main`, each with its PostgreSQL database, in which tenants can be placed. `DATABASE_URL` is that of `main`, which also has the directory of accounts.',
  }),
  adminJournals: secret({
    env: 'POLYEDGE_ADMIN_JOURNALS',
    optional: true,
    form: '`NAME=postgres://…`, several separated by white space',
    doc: 'The same databases as their owners, like `DATABASE_ADMIN_URL` for `DATABASE_URL`.',
  }),
  serves: text({
    default: 'all',
    form: '`all`, or names of journals separated by commas',
    pattern: /^[a-z][a-z0-9-]*( *, *[a-z][a-z0-9-]*)*$/,
    doc: 'The journals that this process serves, so that each can have its own replicas.',
  }),
  redisUrl,
  redisJournals,
  secretKey: secret({
    env: 'POLYEDGE_SECRET_KEY',
    localDefault: 'polyedge-local-secret-key',
    insecure: 'anyone who knows it and reads the database can sign tokens',
    doc: 'Encrypts the private signing key in the database; at least 16 characters. The same on every replica.',
  }),
  adminUsername: text({
    env: 'POLYEDGE_ADMIN_USERNAME',
    default: 'admin',
    doc: 'The administrator, created by the first start on an empty database.',
  }),
  adminPassword: secret({
    env: 'POLYEDGE_ADMIN_PASSWORD',
    optional: true,
    doc: 'The password of the administrator, read on the first start only; without it an empty database gets no account.',
  }),
  partitions: integer({
    default: 16,
    min: 1,
    max: 256,
    unit: 'partitions',
    doc: 'Partitions of the hot journal, a power of two; used only for an empty database.',
  }),
  journalRetentionMs: duration({
    env: 'POLYEDGE_JOURNAL_RETENTION',
    optional: true,
    min: 86_400_000,
    max: 100 * 365 * 86_400_000,
    doc: 'How long the journal (history, timelines, replay) is kept, at least a day; forever unless set. Changes that a consumer group has not read yet are kept longer.',
  }),
  readConnections: integer({ default: 4, min: 1, max: 64, unit: 'connections', doc: 'Connections to PostgreSQL for reads.' }),
  databaseWaitMs: duration({
    default: 30_000,
    min: 0,
    max: 600_000,
    doc: 'How long a start or a preparation waits for PostgreSQL before it exits with code 1.',
  }),
  allowUnsafeDatabase: boolean({
    default: false,
    doc: 'Allows PostgreSQL with fsync, full_page_writes or synchronous_commit off: acknowledged writes can then be lost.',
  }),
  hiroTokenMs: duration({ default: 600_000, min: 10_000, max: 86_400_000, doc: 'Lifetime of access tokens issued through HIRO.' }),
  sagaTokenMs: duration({ default: 86_400_000, min: 10_000, max: 7 * 86_400_000, doc: 'Lifetime of access tokens issued through Saga.' }),
  tokenMs: duration({
    default: 3_600_000,
    min: 10_000,
    max: 7 * 86_400_000,
    doc: 'Lifetime of access tokens issued through any other protocol.',
  }),
  refreshTokenMs: duration({ default: 30 * 86_400_000, min: 60_000, max: 365 * 86_400_000, doc: 'Lifetime of refresh tokens.' }),
  loginFailuresPerAccount: integer({
    default: 10,
    min: 1,
    max: 10_000,
    unit: 'failures',
    doc: 'Failed logins after which an account must wait.',
  }),
  loginFailuresPerAddress: integer({
    default: 100,
    min: 1,
    max: 100_000,
    unit: 'failures',
    doc: 'Failed logins after which an address must wait.',
  }),
  loginWindowMs: duration({ default: 300_000, min: 1000, max: 86_400_000, doc: 'The time over which failed logins are counted.' }),
  groupIdleMs: duration({
    default: 86_400_000,
    min: 1000,
    max: 365 * 86_400_000,
    doc: 'Time after which a HIRO group without members is deleted. The groups of services stay.',
  }),
  maxGroupLag: integer({
    default: 10_000_000,
    min: 1000,
    max: 1_000_000_000,
    unit: 'changes',
    doc: 'A group that is further behind is deleted, even if it has members. Changes older than the group do not count.',
  }),
  sweepMs: duration({ default: 60_000, min: 500, max: 3_600_000, doc: 'Interval between removals of expired data.' }),
  maxBlobBytes: integer({ default: 100 * 1024 * 1024, min: 1024, max: 2_000_000_000, unit: 'bytes', doc: 'The largest blob.' }),
};
