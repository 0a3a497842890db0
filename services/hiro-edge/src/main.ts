import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { startHiroEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'hiro-edge',
  summary: 'HIRO Graph clients on this port: graph-ws, events-ws and REST.',
  settings,
  start: onBus(startHiroEdge),
});
