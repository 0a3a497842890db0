/**
 * `node services/graph-store/src/tenants.ts list|place TENANT JOURNAL|move TENANT JOURNAL`: lists the journal of each tenant, places a new
 * tenant, or moves one with its data. Reads `DATABASE_ADMIN_URL` and `POLYEDGE_ADMIN_JOURNALS` (the owners), else `DATABASE_URL` and
 * `POLYEDGE_JOURNALS`; a move also `REDIS_URL` and `POLYEDGE_REDIS_JOURNALS`, to take the positions of consumer groups along as they are in
 * Redis. Called by `npm run polyedge -- tenants`.
 */
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { openDatabases, openMoverDatabases, openRedis } from './owned-databases.ts';
import { moveTenant } from './placing/move.ts';
import { CannotPlace } from './placing/parties.ts';
import { listTenants, placeTenant } from './placing/place.ts';
import { withRetries } from './placing/with-retries.ts';
import { isPassing } from './postgres/link.ts';

/** Minimum interval between messages that differ only in numbers. */
const SAY_EVERY_MS = 1000;

const [command = '', tenant, journal] = process.argv.slice(2);
if (command !== 'list' && !((command === 'place' || command === 'move') && tenant !== undefined && journal !== undefined)) {
  console.error('Usage: tenants.ts list | place TENANT JOURNAL | move TENANT JOURNAL');
  process.exit(2);
}
await using open = new AsyncDisposableStack();
try {
  const name = 'graph-store-tenants';
  if (command === 'move' && tenant !== undefined && journal !== undefined) {
    const redis = openRedis(open, name);
    const journals = { ...openMoverDatabases(open, name), ...(redis === undefined ? {} : { redis }) };
    const log = (sentence: string): void => console.log(sentence);
    const often = seldom(log);
    const moved = await withRetries(log, (progressed) =>
      moveTenant(journals, tenant, journal, {
        log,
        progress: (sentence) => {
          progressed();
          often(sentence);
        },
      }),
    );
    log(`the tenant ${tenant} ${moved.is === 'moved' ? 'is' : 'was'} in the journal ${journal}${moved.is === 'moved' ? '' : ' already'}`);
  } else if (command === 'place' && tenant !== undefined && journal !== undefined) {
    const outcome = await placeTenant(openDatabases(open, name), tenant, journal);
    console.log(
      outcome === 'placed'
        ? `the tenant ${tenant} is in the journal ${journal}`
        : `the tenant ${tenant} was in the journal ${journal} already`,
    );
  } else console.log(JSON.stringify(await listTenants(openDatabases(open, name))));
} catch (error) {
  const known = error instanceof Error && (error instanceof CannotPlace || error instanceof CannotStart || isPassing(error));
  console.error(`graph-store: ${known ? error.message : error instanceof Error ? error.stack : String(error)}`);
  process.exitCode = 1;
}

/** Limits how often similar messages are printed. */
function seldom(say: (sentence: string) => void): (sentence: string) => void {
  let last = 0;
  return (sentence) => {
    if (performance.now() - last < SAY_EVERY_MS) return;
    last = performance.now();
    say(sentence);
  };
}
