/** Descriptions of HIRO's REST API. */
import { T } from '@polyedge/contracts/schema';
import { toRestCall } from '../../services/hiro-edge/src/protocol/graph/rest-translate.ts';
import type { Description, Operation } from './document.ts';

const GRAPH = '/api/graph/{version}';
const AUTH = '/api/auth/{version}';

const Attributes = T.Record(T.String(), T.Unknown(), { description: 'Attributes of a vertex by name, such as `ogit/name` and `/free`.' });
const Items = T.Object({ items: T.Array(Attributes) });
const Tokens = T.Object({
  _TOKEN: T.String(),
  access_token: T.String(),
  refresh_token: T.String(),
  'expires-at': T.Integer({ description: 'In milliseconds since 1970.' }),
  expires_in: T.Integer({ description: 'In seconds.' }),
});
const Roles = T.Record(T.String(), T.Array(T.String()), { description: 'Names of roles by protocol.' });
const Account = {
  roles: T.Optional(Roles),
  defaultScope: T.Optional(T.String()),
  scopes: T.Optional(T.Array(T.String(), { description: 'Data scopes besides the default one; `*` for all.' })),
  password: T.Optional(T.String({ minLength: 8 })),
};
const PAGE = { limit: 'How many at most.', offset: 'How many to leave out first.' };
const SPAN = { from: 'From, in milliseconds since 1970.', to: 'To, in milliseconds since 1970.' };
const SHOWING = { fields: 'Only these attributes, separated by commas.', listMeta: '`true`: lists with the time of each value.' };

const graph: Readonly<Record<string, Operation>> = {
  'POST /new/{type}': { summary: 'Creates a vertex of a type.', body: Attributes, answer: Attributes },
  'POST /connect/{type}': {
    summary: 'Connects two vertices by an edge of a type.',
    body: T.Object({ in: T.String(), out: T.String() }),
    answer: Attributes,
  },
  'GET /query/{kind}': { summary: 'Runs a query.', query: { query: 'The query.', ...PAGE, ...SHOWING }, answer: Items },
  'POST /query/{kind}': {
    summary:
      'Runs a query: Lucene for `vertices`, `edges` and `values`, a traversal for `gremlin`, ids for `ids`, an external id for `xid`.',
    body: T.Object({
      query: T.String(),
      root: T.Optional(T.String({ description: 'Where a traversal begins.' })),
      limit: T.Optional(T.Integer()),
      offset: T.Optional(T.Integer()),
      fields: T.Optional(T.String()),
      order: T.Optional(T.String()),
      count: T.Optional(T.Boolean()),
    }),
    answer: Items,
  },
  'GET /xid/{id}': { summary: 'Finds vertices by their external id.', answer: Items },
  'GET /events': {
    summary: 'Replays events of a time.',
    query: { ...SPAN, filter: 'A jfilter, as sockets register it.', type: 'Only of this type.', ...PAGE },
    answer: Items,
  },
  'GET /{id}': { summary: 'Reads a vertex or an edge.', query: SHOWING, answer: Attributes },
  'POST /{id}': { summary: 'Changes attributes; null removes one.', body: Attributes, answer: Attributes },
  'PUT /{id}': {
    summary: 'Replaces all attributes.',
    query: { createIfNotExists: '`true`: creates the vertex if there is none.', 'ogit/_type': 'Its type then.' },
    body: Attributes,
    answer: Attributes,
  },
  'DELETE /{id}': { summary: 'Deletes a vertex with its edges, or an edge.', answer: Attributes },
  'GET /{id}/values': {
    summary: 'Reads values of a time series.',
    query: {
      ...SPAN,
      ...PAGE,
      order: '`asc` or `desc`.',
      with: 'Ids of further series.',
      aggregate: '`none`, `avg`, `min`, `max` or `sum` of the values of one time.',
    },
    answer: Items,
  },
  'POST /{id}/values': {
    summary: 'Writes values of a time series.',
    body: T.Object({ items: T.Array(T.Object({ timestamp: T.Integer(), value: T.String() })) }),
    answer: Attributes,
  },
  'GET /{id}/values/history': {
    summary: 'Reads every value that was written for one timestamp.',
    query: { timestamp: 'Which one; without it all.', ...PAGE },
    answer: Items,
  },
  'GET /{id}/history': {
    summary: 'Reads the history of a vertex.',
    query: { ...SPAN, version: 'One version.', vid: 'The id of a version.', type: '`full`, `diff` or `element`.', ...PAGE },
    answer: Items,
  },
  'GET /{id}/meta': { summary: 'Reads the metadata of a vertex.', answer: Attributes },
  'GET /{id}/content': { summary: 'Reads the content of an attachment.', query: { contentId: 'An earlier content.' } },
  'POST /{id}/content': {
    summary: 'Stores the content of an attachment.',
    body: T.Unknown(),
    media: '*/*',
    answer: T.Object({ contentId: T.String() }),
  },
};

const auth: Readonly<Record<string, Operation>> = {
  'POST /app': {
    summary: 'Logs in with a user name and a password.',
    body: T.Object({ client_id: T.String(), client_secret: T.String(), username: T.String(), password: T.String() }),
    answer: Tokens,
  },
  'POST /token': {
    summary: 'Gets tokens by a grant of OAuth 2: `authorization_code` with PKCE, `password` or `refresh_token`.',
    body: T.Object({
      grant_type: T.String(),
      code: T.Optional(T.String()),
      code_verifier: T.Optional(T.String()),
      redirect_uri: T.Optional(T.String()),
      username: T.Optional(T.String()),
      password: T.Optional(T.String()),
      refresh_token: T.Optional(T.String()),
    }),
    media: 'application/x-www-form-urlencoded',
    answer: Tokens,
  },
  'POST /refresh': {
    summary: 'Exchanges a refresh token.',
    body: T.Object({ client_id: T.String(), refresh_token: T.String() }),
    answer: Tokens,
  },
  'POST /revoke': {
    summary: 'Ends a login.',
    body: T.Object({ client_id: T.String(), refresh_token: T.Optional(T.String()), token: T.Optional(T.String()) }),
    answer: T.Object({}),
  },
  'GET /authorize': {
    summary: 'Shows the page to log in to an application.',
    query: {
      response_type: '`code`.',
      client_id: 'The application.',
      redirect_uri: 'Where to go then.',
      code_challenge: 'Of PKCE.',
      state: 'Given back.',
    },
  },
  'POST /authorize': {
    summary: 'Sends the page: leads back to the application with a code.',
    body: T.Object({ username: T.String(), password: T.String() }),
    media: 'application/x-www-form-urlencoded',
    status: 302,
  },
  'GET /me/account': { summary: 'Reads the own account.', answer: Attributes },
  'GET /me/profile': { summary: 'Reads the own profile.', answer: Attributes },
  'POST /me/profile': { summary: 'Changes the own profile.', body: Attributes, answer: Attributes },
  'GET /me/avatar': { summary: 'Reads the own picture.' },
  'PUT /me/avatar': { summary: 'Stores the own picture.', body: T.Unknown(), media: 'image/*', answer: T.Object({}) },
  'PUT /me/password': {
    summary: 'Changes the own password.',
    body: T.Object({ oldPassword: T.String(), newPassword: T.String({ minLength: 8 }) }),
    answer: Attributes,
  },
  'POST /me/password': {
    summary: 'The same, for clients that send it so.',
    body: T.Object({ oldPassword: T.String(), newPassword: T.String({ minLength: 8 }) }),
    answer: Attributes,
  },
  'GET /me/roles': { summary: 'Reads the own roles.', answer: Items },
  'GET /me/teams': { summary: 'Reads the own teams.', answer: Items },
};

const below = (prefix: string, operations: Readonly<Record<string, Operation>>): Record<string, Operation> =>
  Object.fromEntries(Object.entries(operations).map(([key, operation]) => [key.replace(' ', ` ${prefix}`), operation]));

export const hiro: Description = {
  title: 'HIRO REST',
  description:
    'HIRO 7: graph and auth, and what administrators of Polyedge have besides. `/api/{version}/graph`, `/api/{version}/auth` and, for the graph, paths without a prefix mean the same. Bodies are checked by the edge in the words of HIRO.',
  port: 5402,
  security: { token: { type: 'http', scheme: 'bearer' } },
  failure: T.Object({ error: T.Object({ code: T.Integer(), message: T.String() }) }),
  parameters: {
    version: 'The version of the API, such as `7.4`; any is taken.',
    type: 'A type, encoded: `ogit%2FNote`.',
    kind: '`vertices`, `edges`, `ids`, `xid`, `gremlin` or `values`.',
    id: 'The id of a vertex or an edge.',
  },
  operations: {
    'GET /api/version': { summary: 'Says which APIs there are in which version.', answer: T.Object({}) },
    'GET /api/versions': { summary: 'The same with every version.', answer: T.Object({}) },
    ...below(AUTH, auth),
    ...below(GRAPH, graph),
    'GET /admin/accounts': {
      summary: 'Lists accounts by id, a page at a time; `next`, if there may be more, is the `after` of the next page.',
      query: { limit: 'How many, 1,000 at most and unless given.', after: 'The id after which the page begins.' },
      answer: T.Object({ items: T.Array(T.Object({})), next: T.Optional(T.String()) }),
    },
    'POST /admin/accounts': { summary: 'Creates an account.', body: T.Object({ username: T.String(), ...Account }), answer: T.Object({}) },
    'PUT /admin/accounts/{id}': {
      summary: 'Changes an account.',
      body: T.Object({ ...Account, disabled: T.Optional(T.Boolean()) }),
      answer: T.Object({}),
    },
    'GET /admin/groups': {
      summary: 'Lists consumer groups with members, owners and lag.',
      answer: T.Object({ seq: T.Integer(), items: T.Array(T.Object({})) }),
    },
  },
  open: [
    'GET /api/version',
    'GET /api/versions',
    ...['app', 'token', 'refresh', 'revoke', 'authorize'].map((name) => `POST ${AUTH}/${name}`),
    `GET ${AUTH}/authorize`,
  ],
  documented,
};

/** One route serves all paths of the graph; the edge's translation defines them. */
function documented(method: string, path: string): readonly string[] {
  const canonical = path
    .replace(/^\/api\/\{version\}\/(graph|auth)/, '/api/$1/{version}')
    .replace(/^\/(\*|\{id\}\/content)$/, `${GRAPH}/$1`);
  if (!canonical.endsWith('/*')) return [`${method} ${canonical}`];
  return Object.keys(graph)
    .filter((key) => key.startsWith(`${method} `) && !key.endsWith('/content'))
    .filter((key) => toRestCall(method, key.slice(method.length + 2).split('/'), {}, {}).ok)
    .map((key) => key.replace(' ', ` ${GRAPH}`));
}
