/** Builds an OpenAPI 3.1 document from the routes that an edge serves and their descriptions. Pure. */
import type { TSchema } from '@polyedge/contracts/schema';

/** The description of a method and a path. */
export interface Operation {
  readonly summary: string;
  /** The body, if there is one. Edges validate bodies themselves, since the texts of their errors are the protocol's. */
  readonly body?: TSchema;
  /** The media type of the body; default JSON. */
  readonly media?: string;
  /** Parameters of the query, with descriptions. */
  readonly query?: Readonly<Record<string, string>>;
  /** The status of success; default 200. */
  readonly status?: number;
  readonly answer?: TSchema;
}

/** The description of one edge. */
export interface Description {
  readonly title: string;
  readonly description: string;
  /** Its port under `npm start`. */
  readonly port: number;
  readonly security: Readonly<Record<string, object>>;
  /** The body of every failure. */
  readonly failure: TSchema;
  /** Names and meanings of path parameters. */
  readonly parameters: Readonly<Record<string, string>>;
  /** By method and path, with parameters in braces: `GET /users/{id}`. Those that need no credential are in `open`. */
  readonly operations: Readonly<Record<string, Operation>>;
  readonly open: readonly string[];
  /** Paths of the document that a route of the edge serves, if they differ from the route's: one route may serve many paths. */
  documented(method: string, path: string): readonly string[];
}

interface Route {
  readonly method: string;
  readonly url: string;
}

/** fastify's `/users/:id` in OpenAPI's form. */
const templateOf = (url: string): string => url.replace(/:([A-Za-z]+)/g, '{$1}');

/** Routes without a description, and descriptions without a route. */
export function differences(routes: readonly Route[], { operations, documented }: Description): readonly string[] {
  const served = new Set(routes.flatMap(({ method, url }) => documented(method, templateOf(url))));
  return [
    ...[...served].filter((key) => operations[key] === undefined).map((key) => `${key} is served and not described`),
    ...Object.keys(operations)
      .filter((key) => !served.has(key))
      .map((key) => `${key} is described and not served`),
  ];
}

/** A plain value, ready for JSON. */
export function openApi({ title, description, port, security, failure, parameters, operations, open }: Description): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const [key, operation] of Object.entries(operations)) {
    const [method = '', path = ''] = key.split(' ');
    const own = paths[path] ?? {};
    own[method.toLowerCase()] = operationOf(path, operation, parameters, open.includes(key));
    paths[path] = own;
  }
  return {
    openapi: '3.1.0',
    info: { title, version: '0.1.0', description, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    servers: [{ url: `http://127.0.0.1:${port}` }],
    security: Object.keys(security).map((name) => ({ [name]: [] })),
    paths,
    components: {
      securitySchemes: security,
      responses: { failure: { description: 'It failed.', content: { 'application/json': { schema: failure } } } },
    },
  };
}

function operationOf(path: string, operation: Operation, parameters: Description['parameters'], isOpen: boolean): unknown {
  const { summary, body, media = 'application/json', query = {}, status = 200, answer } = operation;
  const inPath = [...path.matchAll(/\{([A-Za-z]+)\}/g)].map(([, name = '']) => parameter(name, 'path', parameters[name]));
  const inQuery = Object.entries(query).map(([name, meaning]) => parameter(name, 'query', meaning));
  return {
    summary,
    ...(inPath.length + inQuery.length === 0 ? {} : { parameters: [...inPath, ...inQuery] }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: { [media]: { schema: body } } } }),
    responses: {
      [status]: { description: 'It is done.', ...(answer === undefined ? {} : { content: { 'application/json': { schema: answer } } }) },
      default: { $ref: '#/components/responses/failure' },
    },
    ...(isOpen ? { security: [] } : {}),
  };
}

function parameter(name: string, place: 'path' | 'query', description: string | undefined): unknown {
  if (description === undefined) throw new Error(`nothing is written about the parameter ${name}`);
  return { name, in: place, required: place === 'path', description, schema: { type: 'string' } };
}
