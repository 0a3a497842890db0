/** Descriptions of Saga's REST API. */
import { T } from '@polyedge/contracts/schema';
import type { Description, Operation } from './document.ts';

const Any = T.Record(T.String(), T.Unknown());
const List = T.Array(Any);
const Ok = T.Object({ ok: T.Literal(1) });
const Tags = T.Array(T.String());
const PAGE = { page: 'From 1.', limit: 'How many of a page.' };
const STREAM = { sortable_id: 'The last known entry; later ones follow, oldest first.', limit: 'How many at most.' };
const SEARCH = {
  ...PAGE,
  search: 'A regular expression on `username` or `name`.',
  tags: 'Separated by commas; all of them.',
  sort: 'The attribute to sort by.',
  near: '`lon,lat`, nearest first.',
  max_distance: 'In metres, with `near`.',
  within: 'An area.',
};
const Tokens = { accessToken: T.String(), refreshToken: T.String() };
const Session = T.Object({ _id: T.String(), username: T.String(), ...Tokens });
const Property = T.Object({ name: T.String(), value: T.Unknown() });

const User = T.Object({
  username: T.String(),
  password: T.Optional(T.String({ minLength: 8, maxLength: 200 })),
  email: T.Optional(T.String()),
  displayname: T.Optional(T.String()),
  test_data: T.Optional(T.Boolean()),
  tags: T.Optional(Tags),
});

const Runnable = {
  name: T.Optional(T.String({ maxLength: 4096 })),
  body: T.String({ maxLength: 512 * 1024, description: 'JavaScript: the body of an async function.' }),
  enabled: T.Optional(T.Boolean()),
  logging: T.Optional(T.Boolean()),
  notes: T.Optional(T.String({ maxLength: 4096 })),
  tags: T.Optional(Tags),
};
const KINDS = {
  scripts: T.Object({ ...Runnable, path: T.String({ description: 'What fires it, or its URL below `/requests/`.' }) }),
  jobs: T.Object({ ...Runnable, schedule: T.Optional(T.String({ description: 'As cron writes it.' })), timezone: T.Optional(T.String()) }),
} as const;

const parents = (plural: 'users' | 'bots'): Record<string, Operation> => {
  const at = `/${plural}/{parent}`;
  return {
    ...properties(at),
    [`GET ${at}/messages`]: { summary: 'Lists messages, newest first.', query: PAGE, answer: List },
    [`POST ${at}/messages`]: {
      summary: 'Sends a message.',
      body: T.Object({
        body: T.String(),
        user_ids: T.Optional(T.Array(T.String())),
        bot_ids: T.Optional(T.Array(T.String())),
        context: T.Optional(Any),
        attachments: T.Optional(T.Array(T.Object({ url: T.String(), mime_type: T.String() }))),
      }),
      answer: Any,
    },
    [`GET ${at}/messages/{id}`]: { summary: 'Reads a message.', answer: Any },
    [`GET ${at}/messages/stream`]: { summary: 'Reads messages after one, oldest first.', query: STREAM, answer: List },
  };
};

const properties = (at: string): Record<string, Operation> => ({
  [`GET ${at}/properties`]: { summary: 'Reads all properties.', answer: List },
  [`POST ${at}/properties`]: { summary: 'Sets a property.', body: Property, answer: Any },
  [`DELETE ${at}/properties`]: { summary: 'Sets all properties back to their defaults.', answer: Ok },
  [`GET ${at}/properties/{name}`]: { summary: 'Reads a property.', answer: Any },
  [`PUT ${at}/properties/{name}`]: { summary: 'Sets a property.', body: T.Object({ value: T.Unknown() }), answer: Any },
  [`DELETE ${at}/properties/{name}`]: { summary: 'Removes a property.', answer: Ok },
  [`POST ${at}/properties/{name}/{operator}`]: {
    summary: 'Changes a property by an operator.',
    body: T.Object({ value: T.Optional(T.Unknown()) }),
    answer: Any,
  },
  [`GET ${at}/properties/{name}/values`]: {
    summary: 'Lists earlier values, newest first.',
    query: { ...PAGE, sort: '`asc` or `desc`.', from: 'An ISO date.', to: 'An ISO date.' },
    answer: List,
  },
  [`GET ${at}/properties/{name}/stream`]: { summary: 'Reads values of a property after one.', query: STREAM, answer: List },
  [`GET ${at}/properties/stream`]: { summary: 'Reads values of all properties after one.', query: STREAM, answer: List },
  [`POST ${at}/signals`]: { summary: 'Sends a signal.', body: Property, answer: Any },
});

const resources = (plural: string, one: string, body: Operation['body'], more: Operation['query'] = PAGE): Record<string, Operation> => ({
  [`GET /${plural}`]: { summary: `Lists ${plural.replace('_', ' ')}.`, query: { ...more }, answer: List },
  [`POST /${plural}`]: { summary: `Creates a ${one}.`, ...(body === undefined ? {} : { body }), answer: Any },
  [`GET /${plural}/{id}`]: { summary: `Reads a ${one}.`, answer: Any },
  [`PUT /${plural}/{id}`]: { summary: `Changes a ${one}: only the given fields.`, body: Any, answer: Any },
  [`DELETE /${plural}/{id}`]: { summary: `Deletes a ${one}.`, answer: Ok },
});

const tags = (plural: string): Record<string, Operation> => ({
  [`GET /${plural}/tags`]: { summary: 'Lists the tags that are in use.', answer: Tags },
  [`GET /${plural}/{id}/tags`]: { summary: 'Reads the tags of one.', answer: Tags },
  [`PUT /${plural}/{id}/tags`]: { summary: 'Adds a tag.', body: T.Object({ tag: T.String() }), answer: Tags },
  [`DELETE /${plural}/{id}/tags`]: {
    summary: 'Takes a tag away.',
    query: { tag: 'Which one; it may be in the body instead.' },
    answer: Tags,
  },
});

const runnables = (plural: keyof typeof KINDS): Record<string, Operation> => {
  const one = plural === 'scripts' ? 'script' : 'job';
  const at = `/${plural}/{id}`;
  return {
    ...resources(plural, one, KINDS[plural], { ...PAGE, tags: 'Separated by commas; all of them.' }),
    ...tags(plural),
    [`POST ${at}/run`]: {
      summary: `Starts a ${one} now.`,
      body: T.Object({ args: T.Optional(T.Array(T.Unknown(), { maxItems: 8 })), test_data: T.Optional(T.Boolean()) }),
      answer: T.Object({ ok: T.Literal(1), runnable_call_id: T.String() }),
    },
    [`GET ${at}/versions`]: { summary: 'Lists versions, newest first.', query: PAGE, answer: List },
    [`GET ${at}/versions/stream`]: { summary: 'Reads versions after one.', query: STREAM, answer: List },
    [`PUT ${at}/versions/{version}/restore`]: { summary: 'Makes an earlier version the newest one.', answer: Any },
    [`GET ${at}/runnable_calls`]: { summary: 'Lists calls, newest first.', query: PAGE, answer: List },
    [`GET ${at}/runnable_calls/stream`]: { summary: 'Reads calls after one.', query: STREAM, answer: List },
    [`GET ${at}/runnable_logs`]: { summary: 'Lists lines of log, newest first.', query: PAGE, answer: List },
    [`GET ${at}/runnable_logs/stream`]: { summary: 'Reads lines of log after one.', query: STREAM, answer: List },
    [`GET /${plural}/runnable_calls`]: { summary: `Lists calls of all ${plural}.`, query: PAGE, answer: List },
    [`GET /${plural}/runnable_calls/stream`]: { summary: `Reads calls of all ${plural} after one.`, query: STREAM, answer: List },
  };
};

const requests = Object.fromEntries(
  ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].map((method): [string, Operation] => [
    `${method} /requests/{path}`,
    { summary: 'Calls the HTTP script of this path and returns its response.' },
  ]),
);

const Role = T.Object({
  title: T.String(),
  scope: T.Optional(
    T.String({ description: '`anonymous` (for callers without a token), `user-default` (assigned to new users) or `normal`.' }),
  ),
  permissions: T.Array(Any),
});
const Schema = T.Object({
  path: T.String({ description: 'The path of its properties, such as `/users/properties/score`.' }),
  json_schema: T.Optional(Any),
  enabled: T.Optional(T.Boolean()),
  indexed: T.Optional(T.Boolean()),
  notes: T.Optional(T.String()),
  tags: T.Optional(Tags),
});

export const saga: Description = {
  title: 'Saga REST',
  description:
    "The REST API around Saga's sockets. 200 is the only success. Lists have pages by the header `Link`. Bodies are checked by the edge in the words of Saga.",
  port: 5401,
  security: {
    bearer: { type: 'http', scheme: 'bearer' },
    header: { type: 'apiKey', in: 'header', name: 'access-token' },
    query: { type: 'apiKey', in: 'query', name: 'access-token' },
  },
  failure: T.Object({ status_code: T.Integer(), message: T.String(), errors: T.Optional(Any) }),
  parameters: {
    id: 'The id.',
    parent: 'The id of the user or the bot.',
    name: 'The name.',
    operator: 'One of the eighteen, such as `incr` or `push`.',
    version: 'The id of the version.',
    key: 'The key.',
    path: 'The rest of the path of an HTTP script.',
  },
  operations: {
    'POST /users/register': { summary: 'Registers a user and logs in.', body: User, answer: Session },
    'POST /users/login': { summary: 'Logs in.', body: T.Object({ username: T.String(), password: T.String() }), answer: Session },
    'POST /users/logout': { summary: 'Ends the login.', answer: Ok },
    'POST /users/{id}/refresh_token': {
      summary: 'Exchanges a refresh token.',
      body: T.Object({ refreshToken: T.String() }),
      answer: T.Object(Tokens),
    },
    'GET /users/me': { summary: 'Reads the own user.', answer: Any },
    'GET /users/oauth': { summary: 'Lists providers of logins: there are none.', answer: List },
    'GET /users/oauth/{name}': { summary: 'Is not offered: it is refused.' },
    'POST /users/test': { summary: 'Creates a user for tests.', answer: Session },
    ...resources('users', 'user', User, SEARCH),
    'PUT /users/{id}/roles': {
      summary: 'Gives a role.',
      body: T.Object({ role: T.String({ description: 'Its id or its title; `roles` for several.' }) }),
      answer: Any,
    },
    'DELETE /users/{id}/roles': {
      summary: 'Takes a role away.',
      query: { role: 'Which one; it may be in the body instead.' },
      answer: Any,
    },
    ...tags('users'),
    ...parents('users'),
    ...resources('bots', 'bot', T.Object({ name: T.String(), test_data: T.Optional(T.Boolean()), tags: T.Optional(Tags) }), SEARCH),
    ...tags('bots'),
    ...parents('bots'),
    ...properties('/globals'),
    ...runnables('scripts'),
    ...runnables('jobs'),
    'GET /runnable_calls/{id}': { summary: 'Reads a call.', answer: Any },
    'GET /runnable_calls/{id}/logs': { summary: 'Lists what a call wrote to its console.', query: PAGE, answer: List },
    ...requests,
    'GET /storages': { summary: 'Lists storages.', answer: List },
    'GET /storages/{name}': { summary: 'Lists the entries of a storage.', query: PAGE, answer: List },
    'GET /storages/{name}/{key}': { summary: 'Reads an entry.', answer: Any },
    'PUT /storages/{name}/{key}': { summary: 'Sets an entry.', body: T.Object({ value: T.Unknown() }), answer: Any },
    'DELETE /storages/{name}/{key}': { summary: 'Removes an entry.', answer: Ok },
    'GET /roles': { summary: 'Lists roles.', answer: List },
    'POST /roles': { summary: 'Creates a role.', body: Role, answer: Any },
    'PUT /roles/{id}': { summary: 'Changes a role.', body: Any, answer: Any },
    'DELETE /roles/{id}': { summary: 'Deletes a role.', answer: Ok },
    ...resources('schema_definitions', 'schema definition', Schema),
    ...tags('schema_definitions'),
    ...resources('npm_packages', 'package', T.Object({ package_name: T.String({ maxLength: 512 }) })),
    ...tags('npm_packages'),
    'DELETE /test': { summary: 'Deletes everything that was marked as test data.', answer: Ok },
  },
  open: ['POST /users/register', 'POST /users/login', 'POST /users/{id}/refresh_token', 'GET /users/oauth'],
  documented: (method, path) => [`${method} ${path.replace(/^\/requests\/\*$/, '/requests/{path}')}`],
};
