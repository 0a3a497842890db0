/** Creates and updates in turn over graph-ws sockets of one system, each until its commit is acknowledged, with the CPU of everything involved. */
import postgres from 'postgres';
import { GraphSocket, requestHead } from './graph-clients.ts';
import { measuredLoop } from './measured-loop.ts';
import { type BenchOptions, seededText } from './options.ts';
import type { Sample } from './report.ts';
import type { System } from './system.ts';

const MAX_SOCKETS = 16;
const WARM_UP_MS = 1000;

export class GraphWrites implements AsyncDisposable {
  readonly #system: System;
  readonly #options: BenchOptions;
  readonly #sockets: readonly GraphSocket[];
  readonly #texts: readonly [string, string];
  readonly #look: postgres.Sql;
  #nextRequest = 1;
  #nextElement = 1;

  private constructor(system: System, options: BenchOptions, sockets: readonly GraphSocket[]) {
    this.#system = system;
    this.#options = options;
    this.#sockets = sockets;
    this.#texts = [seededText(256, options.seed), seededText(256, options.seed + 1)];
    this.#look = postgres(system.postgres.url, { max: 1 });
  }

  static async open(system: System, options: BenchOptions): Promise<GraphWrites> {
    const sockets: GraphSocket[] = [];
    for (let at = 0; at < MAX_SOCKETS; at += 1) sockets.push(await GraphSocket.open(system.hiro.port, '/api/graph-ws/6.1/', system.token));
    return new GraphWrites(system, options, sockets);
  }

  async measure(inFlight: number): Promise<Sample> {
    const { hiro, store, nats, postgres: database, redis } = this.#system;
    const whole = { 'hiro-edge': hiro.pid, 'graph-store': store.pid, nats: nats.pid, postgres: database.pid, redis: redis.pid };
    const [text, other] = this.#texts;
    const seqBefore = await this.#seq();
    const unaskedBefore = this.#unasked();
    const lanes = Array.from({ length: inFlight }, () => '');
    const { sample, result } = await measuredLoop(whole, {
      inFlight,
      warmUpMs: WARM_UP_MS,
      ms: this.#options.seconds * 1000,
      start: (lane, answered) => {
        const socket = this.#sockets[lane % Math.min(inFlight, MAX_SOCKETS)];
        const request = this.#nextRequest++;
        const known = lanes[lane] ?? '';
        const element = known === '' ? `bench-${this.#nextElement++}` : known;
        lanes[lane] = known === '' ? element : '';
        const rest =
          known === ''
            ? `"type":"create","headers":{"ogit/_type":"ogit/Bench"},"body":{"ogit/_id":"${element}","ogit/name":"${text}"}}`
            : `"type":"update","headers":{"ogit/_id":"${element}"},"body":{"ogit/name":"${other}"}}`;
        socket?.ask(request, `${requestHead(request)},${rest}`, answered);
      },
    });
    // seq is dense: there must be as many changes as acknowledgements, or something was lost or executed twice.
    const changes = (await this.#seq()) - seqBefore;
    return {
      ...sample,
      lost: result.lost + Math.max(0, result.answered - changes),
      duplicates: Math.max(0, changes - result.answered - result.lost) + this.#unasked() - unaskedBefore,
    };
  }

  #unasked(): number {
    return this.#sockets.reduce((sum, socket) => sum + socket.unasked, 0);
  }

  async #seq(): Promise<number> {
    const [row] = await this.#look<{ seq: string }[]>`select seq from sequencer`;
    return Number(row?.seq ?? 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#look.end();
  }
}
