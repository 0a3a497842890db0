/** A hostile author against one process of isolates: what he tries gets him nothing, and costs nobody but his own run. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Ended } from '../src/isolate/messages.ts';
import { IsolateProcess, type ProcessMessage } from '../src/isolate-process.ts';

const LIMITS = {
  ...{ wallMs: 4000, cpuMs: 1500, memoryMb: 64, logLines: 100, logBytes: 65_536 },
  ...{ calls: 2000, callsPerSecond: 1000, resultBytes: 65_536 },
};

/** A process, and the runs in it. */
class Bench {
  readonly logs: string[] = [];
  reason: string | undefined;
  readonly #process: IsolateProcess;
  readonly #waiting = new Map<number, (ended: Ended | undefined) => void>();
  readonly ready: Promise<void>;
  #count = 0;

  constructor() {
    let isReady = (): void => {};
    this.ready = new Promise((resolve) => {
      isReady = resolve;
    });
    this.#process = new IsolateProcess({
      message: (message) => (message.from === 'ready' ? isReady() : this.#message(message)),
      ended: (reason) => {
        this.reason = reason;
        for (const resolve of this.#waiting.values()) resolve(undefined);
      },
    });
  }

  #message(message: ProcessMessage): void {
    if (message.from === 'done') this.#waiting.get(message.run)?.(message);
    else if (message.from === 'log') this.logs.push(JSON.parse(message.json).message);
    else if (message.from === 'call') {
      const good = message.name !== 'remove-property';
      const json = message.name === 'get-property' ? '{"value":1}' : good ? 'null' : '{"status_code":404,"message":"it is not there"}';
      this.#process.send({ to: 'settle', run: message.run, call: message.call, good, json });
    }
  }

  /** How a run ended; undefined when its process did. */
  run(body: string, kind: 'event' | 'http' = 'event', limits = LIMITS): Promise<Ended | undefined> {
    this.#count += 1;
    const run = this.#count;
    this.#process.send({
      ...{ to: 'run', run, key: body, file: '/scripts/x', source: `(async function (property, parent) {\n${body}\n})` },
      ...{ args: '[{"value":1},null]', kind, current: { _id: 's' }, packages: {}, limits },
    });
    return new Promise((resolve) => this.#waiting.set(run, resolve));
  }

  /** What a script found out, as it logged it. */
  async said(body: string): Promise<string> {
    const before = this.logs.length;
    const ended = await this.run(body);
    assert.equal(ended?.outcome.is, 'returned', `${body}: ${JSON.stringify(ended?.outcome)}`);
    return this.logs.slice(before).join('\n');
  }

  end(): void {
    this.#process.end('the test is over');
  }
}

let bench: Bench;
before(async () => {
  bench = new Bench();
  await bench.ready;
});
after(() => bench.end());

const limitOf = (ended: Ended | undefined): string =>
  ended === undefined ? 'process' : ended.outcome.is === 'broke' ? ended.outcome.limit : ended.outcome.is;

test('saga:22 there is nothing of Node, of the network or of other threads to be found', async () => {
  const names = [
    'process',
    'require("fs")',
    'module',
    'global',
    'WebAssembly',
    'SharedArrayBuffer',
    'Atomics',
    'Worker',
    'XMLHttpRequest',
    '__boot',
    '__start',
    '__part',
    'ivm',
  ];
  for (const name of names) {
    const found = await bench.said(`let found; try { found = typeof (${name}); } catch (error) { found = "none"; } console.log(found);`);
    assert.match(found, /^(none|undefined)$/, name);
  }
});

test('saga:22 constructors, prototypes and getters of passed values lead to no other realm', async () => {
  const tries = [
    'this.constructor.constructor("return typeof process")()',
    'property.constructor.constructor("return typeof process")()',
    'console.log.constructor("return typeof process")()',
    'fetch.constructor("return typeof process")()',
    'Object.getPrototypeOf(async () => {}).constructor("return typeof process")().then ? "undefined" : "x"',
    '(() => { try { null.x; } catch (error) { return error.constructor.constructor("return typeof process")(); } })()',
    '(() => { try { new URL(1n); } catch (error) { return error.constructor.constructor("return typeof process")(); } })()',
    '(() => { try { crypto.createHash("none").digest(); } catch (error) { return error.constructor.constructor("return typeof process")(); } })()',
    'GlobalProperty.get("x").constructor.constructor("return typeof process")()',
    'Runnable.current.constructor.constructor("return typeof process")()',
  ];
  for (const attempt of tries) assert.equal(await bench.said(`console.log(await ${attempt});`), 'undefined', attempt);
});

test('saga:22 stack traces and overwritten built-ins give away no function of the sandbox', async () => {
  const frames = await bench.said(`
    const seen = [];
    Error.prepareStackTrace = (_, frames) => { for (const frame of frames) seen.push(frame.getFunctionName() + " " + typeof frame.getFunction() + " " + typeof frame.getThis()); return ""; };
    const old = Array.prototype.map;
    Array.prototype.map = function (...args) { void new Error("here").stack; return Reflect.apply(old, this, args); };
    console.log("a");
    void new Error("x").stack;
    Array.prototype.map = old;
    console.log(JSON.stringify(seen));`);
  const kinds: string[] = JSON.parse(frames.split('\n').at(-1) ?? '');
  // What is its own, in sloppy mode, is its to see.
  const own = kinds.filter((kind) => !/ undefined undefined$/.test(kind));
  assert.ok(kinds.includes('run undefined undefined') && own.every((kind) => /^(Array\.map|null) /.test(kind)), frames);
  assert.ok(own.length < kinds.length / 2, frames);
  await bench.said(`
    Promise.prototype.then = () => { throw new Error("taken"); };
    JSON.parse = JSON.stringify = Object.freeze = Map.prototype.get = () => { throw new Error("taken"); };
    return;`);
  // Another run has its own.
  assert.equal(await bench.said('console.log(JSON.stringify({ a: await GlobalProperty.get("x") }));'), '{"a":{"value":1}}');
});

test('saga:22 import(), code that leaves its function and forged results stay within the run', async () => {
  assert.match(await bench.said('console.log(await import("node:fs").then(() => "got", () => "refused"));'), /refused/);
  const left = await bench.run('}); globalThis.left = 1; (async function () {');
  assert.ok(left !== undefined);
  assert.equal(await bench.said('console.log(typeof left);'), 'undefined');
  const forged = await bench.run('Object.defineProperty(Object.prototype, "ok", { get: () => true }); throw new Error("x");');
  assert.ok(forged !== undefined && bench.reason === undefined);
});

test('saga:22 generators, evaluated code, subclasses and failures of the API lead to no other world either', async () => {
  const typeOf = '("return typeof process")';
  const tries = [
    `Object.getPrototypeOf(function* () {}).constructor${typeOf}().next().value`,
    'Object.getPrototypeOf(async function* () {}).constructor("yield typeof process")().next().then(({ value }) => value)',
    'Reflect.construct(Function, ["return typeof process"])()',
    '(0, eval)("typeof process")',
    'new Function("return (async () => typeof (await import(\'node:fs\').catch(() => undefined)))()")()',
    `new (class extends Promise {})((resolve) => resolve()).constructor.constructor${typeOf}()`,
    `GlobalProperty.get("x").then.constructor${typeOf}()`,
    `GlobalProperty.remove("refused").catch((error) => error.constructor.constructor${typeOf}())`,
    `GlobalProperty.remove("refused").catch((error) => Object.getPrototypeOf(error.status_code).constructor.constructor${typeOf}())`,
    `setTimeout.constructor${typeOf}()`,
    `new Promise((resolve) => setTimeout((at) => resolve(at.constructor.constructor${typeOf}()), 1, {}))`,
    `Object.getPrototypeOf(new TextEncoder().encode("x")).constructor.constructor${typeOf}()`,
    `Reflect.getPrototypeOf(new URL("http://a/")).constructor.constructor${typeOf}()`,
    `(() => { const f = () => f(); try { f(); } catch (error) { return error.constructor.constructor${typeOf}(); } })()`,
    `(() => { try { new Array(-1); } catch (error) { return error.constructor.constructor${typeOf}(); } })()`,
  ];
  for (const attempt of tries) assert.equal(await bench.said(`console.log(await ${attempt});`), 'undefined', attempt);
  // What the sandbox uses after it was overwritten gives its script what is its own, and no more.
  const found = await bench.said(`
    const seen = [];
    for (const [of, names] of [[Map.prototype, ["get", "set", "delete"]], [Promise.prototype, ["then"]], [Array.prototype, [Symbol.iterator]]])
      for (const name of names) {
        const old = of[name];
        of[name] = function (...args) { seen.push(typeof this.constructor.constructor("return typeof process")()); of[name] = old; return Reflect.apply(old, this, args); };
      }
    await GlobalProperty.get("x");
    console.log(new Set(seen).size <= 1 && !seen.some((one) => one !== "string"));`);
  assert.equal(found, 'true');
});

test('saga:22 whatever is thrown ends the run as a failure, and what pretends to be a result is one of the run alone', async () => {
  const thrown: readonly (readonly [string, RegExp])[] = [
    ['throw new Proxy({}, { get() { throw 1; }, getPrototypeOf() { throw 1; }, ownKeys() { throw 1; } });', /^threw$/],
    ['const { proxy, revoke } = Proxy.revocable({}, {}); revoke(); throw proxy;', /^threw$/],
    ['throw Object.create(null);', /^threw$/],
    ['throw Symbol("x");', /^threw$/],
    ['throw { get name() { throw new Error("in a getter"); }, get stack() { return "x".repeat(1e6); }, message: 1n };', /^threw$/],
    ['throw Object.assign(new Error("x".repeat(1e6)), { stack: null, cause: globalThis });', /^threw$/],
    ['throw { toString() { throw 1; }, toJSON() { throw 1; } };', /^threw$/],
    ['Error.prepareStackTrace = () => { throw 1; }; null.x;', /^threw$/],
    ['await new Promise((_, reject) => reject({ get then() { throw 1; } }));', /^threw$/],
    ['return { get then() { throw new Error("x"); } };', /^threw$/],
    ['Object.prototype.toJSON = () => 5; throw new Error("x");', /^(threw|returned)$/],
    ['Object.prototype.then = (resolve) => resolve({ ok: true }); throw new Error("x");', /^(threw|returned)$/],
    ['Array.prototype.toJSON = String.prototype.toJSON = () => ({ from: "ready" }); console.log([], "x");', /^(threw|returned)$/],
  ];
  for (const [body, expected] of thrown) assert.match(limitOf(await bench.run(body)), expected, body);
  for (const body of [
    'Object.prototype.status = 999; return {};',
    'response.status(1e9).set("x", "y\\r\\nz").send("a");',
    'return Object.create({ body: 1 });',
  ]) {
    assert.match(limitOf(await bench.run(body, 'http')), /^(threw|returned)$/, body);
  }
  assert.equal(bench.reason, undefined);
  assert.equal(await bench.said('console.log("fine");'), 'fine');
});

test('saga:22 what cannot be interrupted, and storms of promises, cost a run or its process, and end soon', async () => {
  const bodies = [
    'Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1);',
    'void (7n ** (2n ** 28n));',
    'for (;;) void Promise.resolve().then(() => {});',
    'const storm = () => { Promise.resolve().then(storm); Promise.resolve().then(storm); }; storm(); await new Promise(() => {});',
    'await Promise.all(Array.from({ length: 1e7 }, async () => GlobalProperty.get("x")));',
    '"x".padEnd(2 ** 29 - 24).normalize("NFKD").split("").sort();',
    'void new Array(2 ** 32 - 2).join("x");',
  ];
  await Promise.all(
    bodies.map(async (body) => {
      const own = new Bench();
      await own.ready;
      const ended = limitOf(await own.run(body));
      own.end();
      assert.match(ended, /^(cpu|wall clock|memory|process|threw|calls per second|calls)$/, body);
    }),
  );
});

test('saga:22 bombs of time, memory, output and calls end their run, and say which limit it was', async () => {
  const bombs: readonly (readonly [string, RegExp])[] = [
    ['for (;;) {}', /^cpu$/],
    ['await GlobalProperty.get("x"); for (;;) {}', /^cpu$/],
    ['setTimeout(() => { for (;;) {} }, 1); await new Promise(() => {});', /^cpu$/],
    ['const spin = async () => { for (;;) await null; }; spin(); await null;', /^(cpu|returned)$/],
    ['await { then() { for (;;) {} } };', /^cpu$/],
    ['/^(a+)+$/.test("a".repeat(40) + "b");', /^cpu$/],
    ['throw { get message() { for (;;) {} } };', /^cpu$/],
    ['console.log({ toJSON() { for (;;) {} } });', /^cpu$/],
    ['for (;;) console.log("y".repeat(60000));', /^log$/],
    ['for (;;) void GlobalProperty.get("x");', /^calls( per second)?$/],
    ['for (;;) setTimeout(() => {}, 100000);', /^(timers|cpu)$/],
    ['for (;;) statsd_client.increment("x");', /^calls( per second)?$/],
    ['await GlobalProperty.add("x", "z".repeat(8000000));', /^calls$/],
    ['await new Promise(() => {});', /^wall clock$/],
    ['const deep = () => deep(); deep();', /^threw$/],
    ['let a = []; for (let i = 0; i < 100000; i += 1) a = [a]; throw a;', /^threw$/],
    ['for (;;) crypto.randomBytes(60000);', /^(calls( per second)?|cpu)$/],
  ];
  const ended = await Promise.all(bombs.map(([body]) => new Promise<Ended | undefined>((resolve) => void bench.run(body).then(resolve))));
  for (const [at, one] of ended.entries()) {
    const limit = limitOf(one);
    // Of a machine that is busy, time is the first to run out.
    if (limit !== 'cpu' && limit !== 'wall clock') assert.match(limit, bombs[at]?.[1] ?? /$./, bombs[at]?.[0]);
  }
  // Each in a process of its own, as it is with runs that are not known to be quick.
  for (const body of [
    'const all = []; for (;;) all.push(new Array(3000000).fill(1.5));',
    'const all = []; for (;;) all.push(new Uint8Array(10000000).fill(1));',
    'let text = "x"; for (;;) text += text;',
    'console.log("x".repeat(30000000));',
  ]) {
    const own = new Bench();
    await own.ready;
    assert.match(limitOf(await own.run(body)), /^(memory|process|cpu|threw|log|returned)$/, body);
    own.end();
  }
  const answer = await bench.run('return "a".repeat(1000000);', 'http');
  assert.match(limitOf(answer), /^(result|cpu)$/);
});

test('saga:22 work that a run causes outside of its isolate counts as its own, and ends with it', async () => {
  // So long that only the processor's time can end them.
  const limits = { ...LIMITS, wallMs: 60_000, cpuMs: 500, calls: 1e6, callsPerSecond: 1e6 };
  const storms = [
    'for (let at = 0; at < 900; at += 1) setInterval(() => {}, 1); await new Promise(() => {});',
    'const again = () => setTimeout(again, 0); for (let at = 0; at < 900; at += 1) again(); await new Promise(() => {});',
    'for (;;) clearTimeout(setTimeout(() => {}, 1));',
    'const query = "a=b&".repeat(200000); for (;;) new URLSearchParams(query);',
  ];
  for (const [at, ended] of (await Promise.all(storms.map((body) => bench.run(body, 'event', limits)))).entries())
    assert.equal(limitOf(ended), 'cpu', storms[at]);
  assert.equal(limitOf(await bench.run('new URLSearchParams("a=b&".repeat(2000000));', 'event', limits)), 'calls');
  assert.equal(await bench.said('console.log(typeof FinalizationRegistry, typeof WeakRef);'), 'undefined function');
});

test('saga:22 after all of it the process still runs good code, or it exited and another one does', async () => {
  if (bench.reason !== undefined) {
    bench = new Bench();
    await bench.ready;
  }
  assert.equal(await bench.said('console.log("fine");'), 'fine');
});
