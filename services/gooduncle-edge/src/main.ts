import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startGoodUncleEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'gooduncle-edge',
  summary: 'Good Uncle clients on this port: eight request types and live queries over a WebSocket.',
  settings,
  check: checkSettings,
  start: onBus(startGoodUncleEdge),
});
