/** The options of the auth API's routes, and the parsing of their requests. */
import type { Outcome } from '@polyedge/contracts/errors';
import type { Principal } from '@polyedge/contracts/principal';
import type { RestTasks } from '@polyedge/edge-kit/driver/rest-tasks';
import type { Bus } from '@polyedge/service-kit/bus';
import type { FastifyRequest } from 'fastify';
import { asObject } from '../protocol/parameters.ts';
import type { FailureStyle } from './answer.ts';
import type { Applications } from './applications.ts';

export interface AuthHttpOptions {
  readonly bus: Bus;
  readonly rest: RestTasks;
  readonly style: FailureStyle;
  readonly applications: Applications | undefined;
  /** The allowed redirect URIs for authorization codes; if empty, the code flow is disabled. */
  readonly redirects: ReadonlySet<string>;
  verify(token: string): Promise<Outcome<Principal>>;
}

export const TIMEOUT_MS = 10_000;

export type Fields = Readonly<Record<string, string>>;

/** The texts of a JSON or form body. */
export function fieldsOf(request: FastifyRequest): Fields {
  const fields: Record<string, string> = {};
  for (const [name, value] of Object.entries(asObject(request.body) ?? {})) if (typeof value === 'string') fields[name] = value;
  return fields;
}
