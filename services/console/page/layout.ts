/** Positions of the elements around one: on an ellipse, targets of its edges on the right, sources on the left. Pure. */

export interface Edge {
  readonly id: string;
  readonly type: string;
  readonly out: string;
  readonly in: string;
}

export interface Node {
  readonly id: string;
  readonly x: number;
  readonly y: number;
  /** It leads to the one in the middle. */
  readonly from: boolean;
}

/** Maximum number of nodes; a larger picture would be unreadable. */
const MAX_NODES = 24;
const MARGIN = 56;

export function around(centre: string, edges: readonly Edge[], width: number, height: number): readonly Node[] {
  const sides = new Map<string, boolean>();
  for (const edge of edges) {
    const other = edge.out === centre ? edge.in : edge.out;
    if (other !== centre && !sides.has(other) && sides.size < MAX_NODES) sides.set(other, edge.out !== centre);
  }
  const place = (ids: readonly string[], from: boolean): Node[] =>
    ids.map((id, at) => {
      // From top to bottom over half a turn, never exactly vertical, where both sides would meet.
      const angle = ((at + 1) / (ids.length + 1) - 0.5) * Math.PI;
      const across = (width / 2 - MARGIN) * Math.cos(angle) * (from ? -1 : 1);
      return { id, x: Math.round(width / 2 + across), y: Math.round(height / 2 + (height / 2 - MARGIN / 2) * Math.sin(angle)), from };
    });
  const ids = (from: boolean) => [...sides].filter(([, side]) => side === from).map(([id]) => id);
  return [...place(ids(true), true), ...place(ids(false), false)];
}
