import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startConsole } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'console',
  summary: 'A page for administrators on this port: what runs, what changes, who is connected.',
  settings,
  check: checkSettings,
  start: onBus(startConsole),
});
