/** Answers the console's requests for the connections of this process, and closes those that an administrator selects. */
import {
  type ConnectionSearch,
  type ConnectionState,
  connectionClose,
  connectionsFound,
  connectionsWanted,
  MAX_CONNECTIONS_REPORTED,
} from '@polyedge/contracts/bus/console';
import type { Principal } from '@polyedge/contracts/principal';
import type { Bus, Subscription } from '@polyedge/service-kit/bus';
import type { Log } from '@polyedge/service-kit/log';

/** The part of a connection that reports need. */
interface ReportedConnection {
  readonly number: number;
  readonly principal: Principal | undefined;
  readonly bufferedBytes: number;
  readonly state: Omit<ConnectionState, 'api' | 'account' | 'username'>;
  hangUp(): void;
}

export interface ConnectionsReportOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'publish'>;
  readonly log: Log;
  readonly service: string;
  readonly instance: string;
  /** By the name of the API that their clients use. */
  readonly drivers: Readonly<Record<string, { each(): Iterable<ReportedConnection> }>>;
}

export function publishConnections({ bus, log, service, instance, drivers }: ConnectionsReportOptions): Subscription {
  const wanted = bus.subscribe(connectionsWanted, connectionsWanted.pattern({}), ({ question, tenant, search }) => {
    const found: { readonly api: string; readonly connection: ReportedConnection }[] = [];
    for (const [api, driver] of Object.entries(drivers))
      for (const connection of driver.each())
        if (belongs(connection, tenant) && matches(connection, search)) found.push({ api, connection });
    found.sort(
      (one, other) => other.connection.bufferedBytes - one.connection.bufferedBytes || other.connection.number - one.connection.number,
    );
    const connections = found.slice(0, MAX_CONNECTIONS_REPORTED).map(({ api, connection }) => shown(api, connection));
    bus.publish(connectionsFound, { question }, { service, instance, matching: found.length, connections });
  });
  const closed = bus.subscribe(connectionClose, connectionClose.pattern({ instance }), ({ api, number, tenant, by }) => {
    for (const connection of (Object.hasOwn(drivers, api) ? drivers[api] : undefined)?.each() ?? []) {
      if (connection.number !== number || !belongs(connection, tenant)) continue;
      log.warn('an administrator closes a connection', { type: api, conn: number, id: connection.principal?.account ?? '', by });
      connection.hangUp();
      return;
    }
  });
  return {
    unsubscribe: () => {
      wanted.unsubscribe();
      closed.unsubscribe();
    },
  };
}

/** Connections without an account of a tenant are visible to every administrator. */
const belongs = ({ principal }: ReportedConnection, tenant: string): boolean =>
  principal === undefined || principal.tenant === '' || principal.tenant === tenant;

function matches({ principal, bufferedBytes, state }: ReportedConnection, search: ConnectionSearch): boolean {
  if (search.bufferedBytes !== undefined && bufferedBytes < search.bufferedBytes) return false;
  if (search.text === undefined || search.text === '') return true;
  const wanted = search.text.toLowerCase();
  return [principal?.username, principal?.account, state.address].some((text) => text?.toLowerCase().includes(wanted) === true);
}

const shown = (api: string, { principal, state }: ReportedConnection): ConnectionState => ({
  api,
  ...state,
  ...(principal === undefined ? {} : { account: principal.account, username: principal.username }),
});
