import { setFlagsFromString } from 'node:v8';
import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startHiroEdge } from './app.ts';
import { settings } from './config.ts';

// Else V8 allocates lists that often survive, such as the pages that groups read, in the old generation at once (ADR 43).
setFlagsFromString('--no-allocation-site-pretenuring');

await run({
  name: 'hiro-edge',
  summary: 'HIRO Graph clients on this port: graph-ws, events-ws and REST.',
  settings,
  check: checkSettings,
  start: onBus(startHiroEdge),
});
