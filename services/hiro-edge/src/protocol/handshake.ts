/** Paths, sub-protocols and tokens of the upgrade (hiro.md, real clients: they all differ slightly). */

export type Api = 'graph' | 'events';

/** The name of each API's sub-protocol. */
const SUBPROTOCOLS = { graph: 'graph-2.0.0', events: 'events-1.0.0' } as const satisfies Record<Api, string>;

/** `/api/graph-ws/6.1/`, HIRO 6's `/api/6.1/graph-ws/`, and the paths of hiro-graph-js 6.1. Versions 6 and 7 exist. */
export const PATHS: Readonly<Record<Api, RegExp>> = {
  graph: /^\/(api\/graph-ws\/[67](\.\d+)*(\/connect)?|api\/[67](\.\d+)*\/graph-ws|_g)\/?$/,
  events: /^\/(api\/events-ws\/[67](\.\d+)*(\/connect)?|api\/[67](\.\d+)*\/events-ws|_events)\/?$/,
};

const KNOWN: readonly string[] = ['graph-2.0.0', 'events-1.0.0', 'action-1.0.0'];
const TOKEN = 'token-';

/**
 * The sub-protocol to select: the API's own name if it is offered, else another one of HIRO's (hiro-graph-js 6.1 offers the graph's on both
 * sockets), else none (the Python client offers the word None, the Elixir client an API version). Never one that carries a token.
 */
export function selectSubprotocol(api: Api, offered: readonly string[]): string | undefined {
  const own = SUBPROTOCOLS[api];
  if (offered.includes(own)) return own;
  return offered.find((name) => KNOWN.includes(name));
}

/** The token of the first `token-…` entry, else of `Authorization: Bearer`. */
export function tokenOf(offered: readonly string[], authorization: string | undefined): string | undefined {
  const entry = offered.find((name) => name.startsWith(TOKEN));
  return entry === undefined ? bearerOf(authorization) : entry.slice(TOKEN.length);
}

export function bearerOf(authorization: string | undefined): string | undefined {
  return /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1];
}
