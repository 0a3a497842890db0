import { connectBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { startGoodUncleEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'gooduncle-edge',
  summary: 'Good Uncle clients on this port: eight request types and live queries over a WebSocket.',
  settings,
  start: async (config, context) => {
    const bus = await connectBus(config, context);
    const edge = await startGoodUncleEdge(config, context, bus);
    return {
      ...edge,
      stop: async () => {
        await edge.stop();
        await bus.close();
      },
    };
  },
});
