/** Connects a service to NATS according to its settings, and exports the bus' counters. */
import type { Bus } from './bus.ts';
import type { CommonSettings } from './common-settings.ts';
import { RoutedBus } from './journal-bus.ts';
import { CannotStart, type Running } from './lifecycle.ts';
import { connectNatsBus, type NatsBus } from './nats-bus.ts';
import type { NatsCredentials } from './nats-bus-connection.ts';
import { KnownPlacements } from './placements.ts';
import type { ServiceContext } from './service.ts';
import type { Config } from './settings.ts';
import { publishStatus } from './status.ts';

/** Wraps the `start` of a service that needs a bus: it is connected before and closed after the service. */
export const onBus =
  <C extends Config<CommonSettings>>(start: (config: C, context: ServiceContext, bus: Bus) => Promise<Running>) =>
  async (config: C, context: ServiceContext): Promise<Running> => {
    const bus = await connectBus(config, context);
    return stoppingAlso(await start(config, context, bus), () => bus.close());
  };

/** Adds a last step to the stop of a running service. */
export const stoppingAlso = (running: Running, last: () => Promise<void>): Running => ({
  ...running,
  stop: async () => {
    await running.stop();
    await last();
  },
});

/** Requests about a tenant are routed to its journal. Throws `CannotStart` with a message for the operator. */
export async function connectBus(config: Config<CommonSettings>, context: ServiceContext): Promise<Bus> {
  const seconds = context.metrics.histogram<'channel' | 'result'>(
    'bus_request_seconds',
    'How long requests on the bus took, by channel and result.',
  );
  const connected = await connectNatsBus({
    url: config.natsUrl,
    service: context.service,
    instance: context.instance,
    credentials: credentialsOf(config),
    log: context.log,
    spans: context.spans,
    observe: (channel, result, took) => seconds.record(took, { channel, result }),
    onLost: (error) => context.fatal('the connection to NATS is over', error),
    ...tlsOf(config),
  });
  if (!connected.ok) throw new CannotStart(connected.failure.detail ?? connected.failure.code);
  const bus = connected.value;
  for (const name of Object.keys(bus.counts)) {
    if (isCount(name, bus)) {
      const read = () => bus.counts[name];
      context.metrics.counterOf(
        `bus_${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
        'What the bus counts about itself.',
        read,
      );
    }
  }
  context.metrics.gauge('bus_connected', 'Whether the bus is connected.', () => (bus.status === 'connected' ? 1 : 0));
  publishStatus(bus, context);
  const placements = new KnownPlacements(bus);
  placements.start();
  return new RoutedBus(bus, placements);
}

const isCount = (name: string, bus: NatsBus): name is keyof NatsBus['counts'] => Object.hasOwn(bus.counts, name);

function credentialsOf(config: Config<CommonSettings>): NatsCredentials {
  if (config.natsCreds !== undefined) return { kind: 'creds', text: config.natsCreds };
  if (config.natsNkeySeed !== undefined) return { kind: 'nkey', seed: config.natsNkeySeed };
  if (config.natsUser !== undefined) return { kind: 'password', user: config.natsUser, password: config.natsPassword ?? '' };
  return { kind: 'none' };
}

function tlsOf(config: Config<CommonSettings>) {
  const { natsCaFile, natsCertFile, natsKeyFile } = config;
  if (natsCaFile === undefined && natsCertFile === undefined && natsKeyFile === undefined) return {};
  return {
    tls: {
      ...(natsCaFile === undefined ? {} : { caFile: natsCaFile }),
      ...(natsCertFile === undefined ? {} : { certFile: natsCertFile }),
      ...(natsKeyFile === undefined ? {} : { keyFile: natsKeyFile }),
    },
  };
}
