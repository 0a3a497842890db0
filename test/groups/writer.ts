/** Writes bursts of updates over one graph-ws socket: a few hot vertices get most of them. Each write has a number, which its event shows. */
import { WebSocket } from 'ws';
import { now, pause } from './time.ts';

const KEYS = 40;
/** Writes in flight. */
const PIPELINED = 200;
const ANSWERED_MS = 20_000;

export class Writer {
  acknowledged = 0;
  failed = 0;
  readonly #ws: WebSocket;
  readonly #type: string;
  readonly #random: () => number;
  #count = 0;
  #underWay = 0;
  #running = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(port: number, token: string, type: string, random: () => number) {
    this.#ws = new WebSocket(`ws://127.0.0.1:${port}/api/graph-ws/6.1/`, ['graph-2.0.0', `token-${token}`], { perMessageDeflate: false });
    this.#type = type;
    this.#random = random;
  }

  async begin(): Promise<void> {
    this.#ws.on('message', (data) => {
      const answer = JSON.parse(String(data)) as { error?: unknown };
      this.#underWay -= 1;
      if (answer.error === undefined) this.acknowledged += 1;
      else this.failed += 1;
    });
    this.#ws.on('close', () => {
      this.#running = false;
    });
    await new Promise((resolve, reject) => {
      this.#ws.once('open', resolve);
      this.#ws.once('error', reject);
    });
    for (let key = 0; key < KEYS; key += 1) this.#send('create', { 'ogit/_type': this.#type }, { 'ogit/_id': `torture-${key}` });
    this.#running = true;
    this.#loop = this.#write();
  }

  async end(): Promise<void> {
    this.#running = false;
    await this.#loop;
    const deadline = now() + ANSWERED_MS;
    while (this.#underWay > 0 && now() < deadline && this.#ws.readyState === WebSocket.OPEN) await pause(20);
    this.#ws.terminate();
  }

  async #write(): Promise<void> {
    while (this.#running) {
      if (this.#underWay < PIPELINED) {
        const hot = Math.floor(this.#random() ** 3 * KEYS);
        const burst = 1 + Math.floor(this.#random() * 12);
        for (let one = 0; one < burst; one += 1) this.#send('update', { 'ogit/_id': `torture-${hot}` }, {});
      }
      await pause(15);
    }
  }

  #send(type: string, headers: object, body: object): void {
    this.#count += 1;
    this.#underWay += 1;
    this.#ws.send(JSON.stringify({ id: String(this.#count), type, headers, body: { ...body, '/n': String(this.#count) } }));
  }
}
