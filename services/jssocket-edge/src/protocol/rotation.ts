/**
 * Which core is asked next: strict round robin over the live cores of all edges, as each of them announced its own. Shared by all sessions
 * of one replica; a value like a session's own state, without clock or I/O.
 */
import type { JssocketCores } from '@polyedge/contracts/bus/jssocket';
import { edgeOf } from './connection-id.ts';

/** An edge that has not announced itself for this long is gone, and its cores with it. */
const SILENT_MS = 3500;
/** After so many logins in a row that it left unanswered, a core is asked only when no other can be (a forked worker never reads). */
const PATIENCE = 2;

export class Rotation {
  /** Whoever is in front is next. */
  #order: string[] = [];
  readonly #missed = new Map<string, number>();
  readonly #edges = new Map<string, number>();

  /** What an edge said about its cores at `at`. Returns whether the edge was unknown before. */
  announce({ edge, cores, leaving }: JssocketCores, at: number): boolean {
    const known = this.#edges.has(edge);
    if (leaving === true) this.#edges.delete(edge);
    else this.#edges.set(edge, at);
    const theirs = leaving === true ? [] : cores.filter((core) => edgeOf(core) === edge);
    this.#keep((core) => edgeOf(core) !== edge || theirs.includes(core));
    for (const core of theirs) if (!this.#order.includes(core)) this.#order.push(core);
    return !known && leaving !== true;
  }

  /** Whether an edge with this tag is alive: only then can a text with the shape of a connection id be one. */
  has(edge: string, at: number): boolean {
    const heard = this.#edges.get(edge);
    return heard !== undefined && at - heard <= SILENT_MS;
  }

  /** Takes the next core, other than `except`. Undefined when there is none. */
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

  /** A core left a login unanswered. */
  missed(core: string): void {
    if (this.#order.includes(core)) this.#missed.set(core, (this.#missed.get(core) ?? 0) + 1);
  }

  /** A core answered, whoever had been asked. */
  answered(core: string): void {
    this.#missed.delete(core);
  }

  gone(core: string): void {
    this.#keep((other) => other !== core);
  }

  /** Live cores, for metrics. */
  get size(): number {
    return this.#order.length;
  }

  #expire(at: number): void {
    for (const [edge, heard] of this.#edges) {
      if (at - heard <= SILENT_MS) continue;
      this.#edges.delete(edge);
      this.#keep((core) => edgeOf(core) !== edge);
    }
  }

  #keep(stays: (core: string) => boolean): void {
    this.#order = this.#order.filter(stays);
    for (const core of this.#missed.keys()) if (!this.#order.includes(core)) this.#missed.delete(core);
  }
}
