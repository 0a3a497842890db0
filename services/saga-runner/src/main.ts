import { onBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startRunner } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'saga-runner',
  summary: "Runs Saga's scripts and jobs.",
  settings,
  check: checkSettings,
  start: onBus(startRunner),
});
