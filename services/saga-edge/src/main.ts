import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startSagaEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'saga-edge',
  summary: 'Saga clients on this port: Socket.IO and REST.',
  settings,
  check: checkSettings,
  start: onBus(startSagaEdge),
});
