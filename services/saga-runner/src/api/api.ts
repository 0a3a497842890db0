/** The JavaScript API as calls by name. */

import { parseJson } from '@polyedge/query/json-text';
import { isObject } from '@polyedge/saga/elements';
import { sagaError } from '@polyedge/saga/errors';
import { type PostResult, refuse } from '@polyedge/saga/work';
import { type Acting, type ApiCall, type ApiParts, BAD_CALL, Graph } from './context.ts';
import { type FetchSettings, fetchCalls } from './fetch.ts';
import { parentAs, parentCalls } from './parents.ts';
import { propertyCalls } from './properties.ts';
import { storageCalls } from './storages.ts';

export class Api {
  readonly #calls: ReadonlyMap<string, ApiCall>;
  readonly #graph: Graph;

  constructor(parts: ApiParts & { readonly outward: FetchSettings }) {
    this.#graph = new Graph(parts);
    const calls = [propertyCalls, parentCalls, storageCalls].flatMap((of) => Object.entries(of(this.#graph)));
    this.#calls = new Map([...calls, ...Object.entries(fetchCalls(parts.outward))]);
  }

  /** Never rejects: every call is answered, whatever a script sends. */
  async call(name: string, json: string, acting: Acting): Promise<PostResult> {
    const payload = parseJson(json);
    const call = this.#calls.get(name);
    if (call === undefined || !payload.ok || !isObject(payload.value)) return BAD_CALL;
    try {
      return await call(payload.value, acting);
    } catch {
      return refuse(sagaError(500));
    }
  }

  /** The current state of the parent that a script is fired for. */
  parent(tenant: string, kind: Parameters<typeof parentAs>[2], id: string) {
    return parentAs(this.#graph, { tenant }, kind, id);
  }
}
