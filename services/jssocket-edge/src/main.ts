import { connectBus, stoppingAlso } from '@polyedge/service-kit/connect-bus';
import { localBus } from '@polyedge/service-kit/local-bus';
import { run } from '@polyedge/service-kit/service';
import { checkSettings, startJssocketEdge } from './app.ts';
import { settings } from './config.ts';

/** The exit code of the original after `GET /terminate`. */
const TERMINATED = 69;

await run({
  name: 'jssocket-edge',
  summary: 'Cores, publishers and browsers of JSSocket on this port.',
  settings,
  check: checkSettings,
  start: async (config, context) => {
    const alone = config.natsUrl === '';
    if (alone) context.log.warn('NATS_URL is not set: running alone, without other replicas');
    const bus = alone ? localBus() : await connectBus(config, context);
    const edge = await startJssocketEdge(config, { ...context, terminate: () => process.exit(TERMINATED) }, bus);
    return stoppingAlso(edge, () => bus.close());
  },
});
