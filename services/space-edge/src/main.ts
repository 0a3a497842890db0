import { connectBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { startSpaceEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'space-edge',
  summary: 'SPACE clients on this port: pricing events over Socket.IO and the REST calls that trigger them.',
  settings,
  start: async (config, context) => {
    const bus = await connectBus(config, context);
    const edge = await startSpaceEdge(config, context, bus);
    return {
      ...edge,
      stop: async () => {
        await edge.stop();
        await bus.close();
      },
    };
  },
});
