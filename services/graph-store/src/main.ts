/** graph-store: the one durable property graph behind all edges. */
import { run } from '@polyedge/service-kit/service';
import { checkSettings, start } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'graph-store',
  summary: 'keeps the property graph in PostgreSQL, journals every change and publishes it to NATS and Redis',
  settings,
  check: checkSettings,
  start,
});
