import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startSpaceEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'space-edge',
  summary: 'SPACE clients on this port: pricing events over Socket.IO and the REST calls that trigger them.',
  settings,
  check: checkSettings,
  start: onBus(startSpaceEdge),
});
