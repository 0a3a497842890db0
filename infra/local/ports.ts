import { portIsFree } from '@polyedge/testkit/servers/free-port';

const highestPort = 65_535;

/** Allocates ports of the loopback address, each at most once. */
export type Ports = {
  /** The first free port from `wanted` upwards, that was not handed out before. */
  take(wanted: number): Promise<number>;
  /** The first free port above `port` that is neither handed out nor reserved. */
  takeAbove(port: number): Promise<number>;
};

/** `reserved` ports are given only if requested exactly: a replica does not take another service's usual port. */
export function ports(reserved: readonly number[]): Ports {
  const taken = new Set<number>();
  const first = async (from: number, wanted?: number): Promise<number> => {
    for (let port = from; port <= highestPort; port += 1) {
      if (taken.has(port) || (port !== wanted && reserved.includes(port)) || !(await portIsFree(port))) continue;
      taken.add(port);
      return port;
    }
    throw new Error(`No port from ${from} upwards is free on 127.0.0.1.`);
  };
  return { take: (wanted) => first(wanted, wanted), takeAbove: (port) => first(port + 1) };
}
