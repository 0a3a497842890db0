/** Runs of one code follow each other in one isolate: what a run leaves must never reach the next one. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Ended } from '../src/isolate/messages.ts';
import { IsolateProcess, type ProcessMessage } from '../src/isolate-process.ts';

const LIMITS = {
  ...{ wallMs: 4000, cpuMs: 1000, memoryMb: 64, logLines: 100, logBytes: 65_536 },
  ...{ calls: 2000, callsPerSecond: 1000, resultBytes: 65_536 },
};

interface Finished {
  readonly outcome: Ended['outcome'];
  readonly logs: readonly string[];
}

/** A process, which answers calls of the API with `{value: 1}`. */
class Bench {
  readonly #logs = new Map<number, string[]>();
  readonly #waiting = new Map<number, (finished: Finished) => void>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #process = new IsolateProcess({ message: (message) => this.#message(message), ended: (reason) => this.#ended(reason) });
  #count = 0;

  constructor() {
    this.#process.send({ to: 'bundle', hash: 'h', code: 'let count = 0; module.exports = () => (count += 1);' });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  run(body: string, value = 1): Promise<Finished> {
    this.#count += 1;
    const run = this.#count;
    this.#logs.set(run, []);
    this.#process.send({
      ...{ to: 'run', run, key: body, file: '/scripts/x', source: `(async function (property) {\n${body}\n})` },
      ...{ args: JSON.stringify([{ value }]), kind: 'event', current: { _id: 's', run }, packages: { counts: 'h' }, limits: LIMITS },
    });
    return new Promise((resolve) => this.#waiting.set(run, resolve));
  }

  end(): void {
    this.#process.end('the test is over');
  }

  #message(message: ProcessMessage): void {
    if (message.from === 'ready') this.#ready.resolve();
    else if (message.from === 'log') this.#logs.get(message.run)?.push(JSON.parse(message.json).message);
    else if (message.from === 'call') {
      this.#process.send({ to: 'settle', run: message.run, call: message.call, good: true, json: '{"value":1}' });
    } else if (message.from === 'done')
      this.#waiting.get(message.run)?.({ outcome: message.outcome, logs: this.#logs.get(message.run) ?? [] });
  }

  #ended(reason: string): void {
    for (const resolve of this.#waiting.values()) resolve({ outcome: { is: 'threw', name: '', message: reason, stack: '' }, logs: [] });
  }
}

let bench: Bench;
before(async () => {
  bench = new Bench();
  await bench.ready;
});
after(() => bench.end());

/** Each says what it finds, and then leaves something. */
const LEAVERS: readonly string[] = [
  'console.log(typeof left, "left" in globalThis); globalThis.left = 1;',
  'console.log(typeof left); left = 1;',
  'console.log(typeof left); (0, eval)("var left = 1");',
  'console.log(typeof left); (0, eval)("function left() {}");',
  'console.log(typeof UserProperty); globalThis.UserProperty = 1;',
  'console.log(typeof Map); delete globalThis.Map;',
  'console.log([].left, ({}).left); Object.prototype.left = 1;',
  'console.log([].left); Object.defineProperty(Array.prototype, "left", { get: () => 1 });',
  'console.log(Object.getOwnPropertyDescriptor(Array.prototype, "map").get); const { map } = Array.prototype; Object.defineProperty(Array.prototype, "map", { get: () => map });',
  'console.log(Promise.prototype.then.name); const { then } = Promise.prototype; Promise.prototype.then = function left(...args) { return Reflect.apply(then, this, args); };',
  'console.log(JSON.parse.name, Map.prototype.get.name); JSON.parse = Map.prototype.get = function left() {};',
  'console.log(typeof [].at, typeof Reflect.ownKeys); delete Array.prototype.at; delete Reflect.ownKeys;',
  'console.log(({}).valueOf, ({}).get); delete Object.prototype.valueOf; Object.defineProperty(Object.prototype, "get", { get() { for (;;); }, configurable: true });',
  'console.log(Object.isFrozen(Array.prototype)); Object.freeze(Array.prototype);',
  'console.log(Object.isExtensible(globalThis)); Object.preventExtensions(globalThis);',
  'console.log(Math.left); Object.setPrototypeOf(Math, { left: 1 });',
  'console.log(Object.getOwnPropertyDescriptor(Math, "PI").enumerable, typeof Intl.left); Intl.left = 1;',
  'console.log(Object.getPrototypeOf([].values()).left); Object.getPrototypeOf([].values()).left = 1;',
  'console.log((async () => {}).left, Object.getPrototypeOf(function* () {}).left); Object.getPrototypeOf(async () => {}).left = Object.getPrototypeOf(function* () {}).left = 1;',
  'console.log([].map.left, UserProperty.add.left, console.log.left, fetch.left); [].map.left = UserProperty.add.left = console.log.left = fetch.left = 1;',
  'console.log(URL.left, new URL("http://a/").left, Buffer.alloc(1).left); URL.left = URL.prototype.left = Buffer.prototype.left = 1;',
  'console.log(arguments.callee.left); arguments.callee.left = 1;',
  'console.log(RegExp.$1, RegExp.input); /(l)eft/.test("left");',
  'console.log(Error.stackTraceLimit, typeof Error.prepareStackTrace); Error.stackTraceLimit = 1; Error.prepareStackTrace = () => "left";',
  'console.log(require("counts")());',
  'console.log(setTimeout(() => {}, 100000));',
  'const timer = setTimeout(() => {}, 100000); console.log(timer); clearTimeout(timer);',
  'console.log(1); setTimeout(() => console.log("late"), 0);',
  'console.log(1); setInterval(() => console.log("late"), 1);',
  'console.log(1); void GlobalProperty.get("x").then(() => console.log("late"));',
  'console.log(1); void (async () => { for (let at = 0; at < 5000; at += 1) await null; GlobalProperty.add("x", 1); console.log("late"); })();',
  'console.log(1); void new Promise(() => {}).finally(() => console.log("late"));',
  'console.log(1); queueMicrotask(function again() { if (Math.random() < 0.999) queueMicrotask(again); else console.log("late"); });',
  'console.log(typeof FinalizationRegistry, typeof Atomics, typeof __boot, typeof __start, typeof __part);',
  // Leaves its function.
  `console.log(1); })); let kept = 1; '{"ok":true}' || ((async function () {`,
];

test('saga:22 nothing that a run leaves reaches the next run of the same code', async () => {
  for (const body of LEAVERS) {
    const [first, ...others] = [await bench.run(body), await bench.run(body), await bench.run(body), await bench.run(body)];
    assert.equal(first?.outcome.is, 'returned', `${body} ${JSON.stringify(first)}`);
    const [line] = first?.logs ?? [];
    for (const { outcome, logs } of others) {
      assert.deepEqual(outcome, { is: 'returned' }, body);
      // Its own late line may come in time.
      assert.deepEqual(
        logs.filter((one) => one !== 'late'),
        [line],
        body,
      );
      assert.ok(logs[0] !== 'late', body);
    }
  }
});
