/** Steps between vertices and edges. */
import type { Element } from '@polyedge/contracts/element';
import { move, RUN_LIMITS, type TraversalStep, type Traverser } from './run.ts';
import type { Value } from './values.ts';

/** The ends of an edge at which a step begins. */
export const ends = (name: string): readonly ('out' | 'in')[] => (name === 'both' ? ['out', 'in'] : name === 'in' ? ['in'] : ['out']);
const vertexId = ({ value }: Traverser): string[] => (value.is === 'element' && value.element.kind === 'vertex' ? [value.element.id] : []);

export function adjacent(directions: readonly ('out' | 'in')[], verbs: readonly string[], to: 'vertex' | 'edge'): TraversalStep {
  return function* (inputs, _origins, context) {
    const ids = inputs.flatMap(vertexId);
    const hops: { at: Traverser; edge: Element; other: string }[] = [];
    const found: { readonly end: 'out' | 'in'; readonly edges: (id: string) => readonly Element[] }[] = [];
    for (const end of directions) found.push({ end, edges: yield* context.edges(ids, end, verbs) });
    for (const at of inputs) {
      for (const id of vertexId(at)) {
        for (const { end, edges } of found) {
          for (const edge of edges(id)) hops.push({ at, edge, other: edge[end === 'out' ? 'in' : 'out'] ?? '' });
        }
      }
      if (hops.length > RUN_LIMITS.traversers) context.spend(hops.length);
    }
    if (to === 'edge') return hops.map(({ at, edge }) => move(at, { is: 'element', element: edge }));
    const vertex = yield* context.vertices(hops.map(({ other }) => other));
    return hops.flatMap(({ at, other }) => moved(at, asElement(vertex(other))));
  };
}

export function endsOfEdge(name: 'outV' | 'inV' | 'bothV' | 'otherV'): TraversalStep {
  return function* (inputs, _origins, context) {
    const hops = inputs.flatMap((at) => endIds(at, name).map((id) => ({ at, id })));
    const vertex = yield* context.vertices(hops.map(({ id }) => id));
    return hops.flatMap(({ at, id }) => moved(at, asElement(vertex(id))));
  };
}

function endIds(at: Traverser, name: 'outV' | 'inV' | 'bothV' | 'otherV'): readonly string[] {
  if (at.value.is !== 'element' || at.value.element.kind !== 'edge') return [];
  const { out = '', in: into = '' } = at.value.element;
  if (name === 'bothV') return [out, into];
  if (name !== 'otherV') return name === 'outV' ? [out] : [into];
  const from = at.before === undefined ? undefined : vertexId(at.before)[0];
  return [from === into && from !== out ? out : into];
}

const asElement = (element: Element | undefined): Value | undefined => (element === undefined ? undefined : { is: 'element', element });
/** The traverser moved to a value; none if there is no value. */
export const moved = (at: Traverser, value: Value | undefined): readonly Traverser[] => (value === undefined ? [] : [move(at, value)]);
