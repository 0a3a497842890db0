/** Writes to a simulated system that no client makes: products, and markers that every watcher of their type must receive. */
import type { MutationRequest, Operation } from '@polyedge/contracts/bus/graph';
import { operationId } from '@polyedge/contracts/operation-id';
import type { JsonObject } from '@polyedge/query/json';
import { Chance } from '@polyedge/simulation/virtual-time';
import type { EdgeProcess } from './edge-process.ts';
import { TOKEN } from './judge.ts';
import { SCOPE, TENANT } from './settings.ts';
import type { Surroundings } from './surroundings.ts';

type Targeted = Operation & { readonly target: { readonly id: string } };

export class Products {
  readonly #world: Surroundings;
  readonly #edges: () => readonly EdgeProcess[];
  #count = 0;

  constructor(world: Surroundings, edges: () => readonly EdgeProcess[]) {
    this.#world = world;
    this.#edges = edges;
  }

  /** Creates, changes or deletes products at the same moment. New ones keep coming. */
  write(choice: Chance): void {
    if (choice.percent(25)) {
      this.#rush(choice);
      return;
    }
    for (let left = 1 + choice.below(5); left > 0; left -= 1) this.writeOne(choice);
  }

  writeOne(choice: Chance): void {
    const edge = choice.of(this.#edges());
    if (edge === undefined) return;
    this.#count += 1;
    const token = `p.${this.#count}`;
    const operations = [this.#operation(token, choice)];
    // A row that many writes wait for.
    if (choice.percent(40)) operations.push(stock(token));
    this.#world.note(`${edge.process.name} writes ${token} to ${operations.map(({ target }) => target.id).join(' and ')}`);
    this.#send(edge, { id: token, operations, chance: choice });
  }

  /** Writes a vertex that every watcher of its type must receive. */
  writeMarker(tenant: string, type: string, choice: Chance): void {
    const edge = choice.of(this.#edges());
    const marker: Operation = { op: 'create', type, scope: SCOPE, attributes: { [TOKEN]: `${type} of ${tenant}` } };
    if (edge !== undefined) this.#send(edge, { id: type, operations: [marker], chance: choice, tenant });
  }

  /**
   * Many writes of the same new product within milliseconds. Some of them also write a row that others wait for; where batches take longer, those are two
   * that begin at the same moment over different edges.
   */
  #rush(choice: Chance): void {
    this.#count += 1;
    const id = `rush${this.#count}`;
    const count = 4 + choice.below(5);
    const chance = new Chance(choice.below(2 ** 31));
    const { isSlow } = this.#world;
    this.#world.note(`${count} requests write ${id} and p-stock`);
    for (let at = 0; at < count; at += 1) {
      const isOfPair = isSlow && at < 2;
      this.#world.time.after(isOfPair ? 0 : chance.below(40), () => {
        const token = `${id}.${at}`;
        const edges = this.#edges();
        const edge = isOfPair ? edges[at] : chance.of(edges);
        const operations = [upsert(id, 'products', { price: chance.below(10), [TOKEN]: token })];
        if (isSlow ? isOfPair : chance.percent(50)) operations.push(stock(token));
        if (edge !== undefined) this.#send(edge, { id: token, operations, chance });
      });
    }
  }

  #operation(token: string, choice: Chance): Targeted {
    const id = `p${Math.floor(this.#count / 6) + choice.below(4)}`;
    if (choice.percent(15)) return { op: 'delete', target: { id } };
    return upsert(id, 'products', { price: choice.below(10), [TOKEN]: token });
  }

  #send(
    edge: EdgeProcess,
    write: { readonly id: string; readonly operations: readonly Operation[]; readonly chance: Chance; readonly tenant?: string },
  ): void {
    const { id, operations, chance, tenant = TENANT } = write;
    const request: MutationRequest = {
      operationId: operationId(
        Math.floor(edge.process.date()),
        Uint8Array.from({ length: 10 }, () => chance.below(256)),
      ),
      ...{ by: 'u1', app: 'a', origin: { protocol: 'gooduncle', way: 'socket', operation: 'update' }, operations: [...operations] },
    };
    edge.write({ id, tenant, defaultScope: SCOPE, own: 'any', request });
  }
}

const stock = (token: string): Targeted => upsert('p-stock', 'stock', { [TOKEN]: `${token}b` });

const upsert = (id: string, type: string, set: JsonObject): Targeted => ({
  ...{ op: 'update', target: { id }, set, ifMissing: { type, id, scope: SCOPE } },
});
