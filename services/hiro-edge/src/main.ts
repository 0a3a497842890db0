import { connectBus } from '@polyedge/service-kit/connect-bus';
import { run } from '@polyedge/service-kit/service';
import { startHiroEdge } from './app.ts';
import { settings } from './config.ts';

await run({
  name: 'hiro-edge',
  summary: 'HIRO Graph clients on this port: graph-ws, events-ws and REST.',
  settings,
  start: async (config, context) => {
    const bus = await connectBus(config, context);
    const edge = await startHiroEdge(config, context, bus);
    return {
      ...edge,
      stop: async () => {
        await edge.stop();
        await bus.close();
      },
    };
  },
});
