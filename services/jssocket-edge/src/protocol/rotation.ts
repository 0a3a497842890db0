/**
 * Chooses the next core: strict round robin over the live cores of all edges, as announced by each edge. Shared by all sessions of one
 * replica; like a session, it has no clock and no I/O.
 */
import type { JssocketCores } from '@polyedge/contracts/bus/jssocket';
import { edgeOf } from './connection-id.ts';

/** An edge that has not announced itself for this long is gone, and its cores with it. */
const SILENT_MS = 3500;
/** After this many consecutive unanswered logins a core is used only if there is no other (a forked worker never reads). */
const PATIENCE = 2;

export class Rotation {
  /** The first core is next. */
  #order: string[] = [];
  readonly #missed = new Map<string, number>();
  readonly #edges = new Map<string, number>();

  /** Records an edge's announcement of its cores at the time `at`. Returns whether the edge was unknown. */
  announce({ edge, cores, leaving }: JssocketCores, at: number): boolean {
    const known = this.#edges.has(edge);
    if (leaving === true) this.#edges.delete(edge);
    else this.#edges.set(edge, at);
    const theirs = leaving === true ? [] : cores.filter((core) => edgeOf(core) === edge);
    this.#keep((core) => edgeOf(core) !== edge || theirs.includes(core));
    for (const core of theirs) if (!this.#order.includes(core)) this.#order.push(core);
    return !known && leaving !== true;
  }

  /** Whether an edge with this tag is live; otherwise a text in the form of a connection id is not one. */
  has(edge: string, at: number): boolean {
    const announced = this.#edges.get(edge);
    return announced !== undefined && at - announced <= SILENT_MS;
  }

  /** Takes the next core other than `except`. Undefined if there is none. */
  next(at: number, except?: string): string | undefined {
    this.#expire(at);
    const able = this.#order.filter((core) => core !== except);
    const chosen = able.find((core) => (this.#missed.get(core) ?? 0) < PATIENCE) ?? able[0];
    if (chosen !== undefined) {
      this.#order = this.#order.filter((core) => core !== chosen);
      this.#order.push(chosen);
    }
    return chosen;
  }

  /** A core did not answer a login. */
  missed(core: string): void {
    if (this.#order.includes(core)) this.#missed.set(core, (this.#missed.get(core) ?? 0) + 1);
  }

  /** A core answered, even if another one was used. */
  answered(core: string): void {
    this.#missed.delete(core);
  }

  gone(core: string): void {
    this.#keep((other) => other !== core);
  }

  /** The number of live cores, for metrics. */
  get size(): number {
    return this.#order.length;
  }

  #expire(at: number): void {
    for (const [edge, announced] of this.#edges) {
      if (at - announced <= SILENT_MS) continue;
      this.#edges.delete(edge);
      this.#keep((core) => edgeOf(core) !== edge);
    }
  }

  #keep(stays: (core: string) => boolean): void {
    this.#order = this.#order.filter(stays);
    for (const core of this.#missed.keys()) if (!this.#order.includes(core)) this.#missed.delete(core);
  }
}
