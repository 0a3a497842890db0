/**
 * What a runnable finds around itself. Runs inside the isolate, before any code of strangers, and is kept in the snapshot that every context
 * begins with. Strict, so that no stack trace gives these functions away; whoever changes built-ins changes them for his own run alone.
 */
(() => {
  'use strict';
  const { parse, stringify } = JSON;
  const { freeze, keys, defineProperty } = Object;
  const NativePromise = Promise;
  const NativeError = Error;
  const NativeMap = Map;
  const text = String;
  const MAX_MESSAGE = 16_384;

  // Shared memory and machine code are of no use to a script, and are tools of attacks on timing and memory; a finalizer runs when V8 collects
  // garbage, after its run has ended and where no limit applies. They are taken away as each context begins: V8 cannot begin one from a
  // snapshot that lacks them.
  const DENIED = ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'ShadowRealm', 'FinalizationRegistry'];

  const define = (name, value) => defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });

  function deepFreeze(value) {
    if (typeof value !== 'object' || value === null) return value;
    for (const name of keys(value)) deepFreeze(value[name]);
    return freeze(value);
  }

  /** A text of anything, whatever it does when it is looked at. */
  function shown(value) {
    try {
      if (typeof value === 'string') return value;
      if (value instanceof NativeError) return text(value.stack ?? value.message);
      const json = typeof value === 'object' && value !== null ? stringify(value) : undefined;
      return json ?? text(value);
    } catch {
      return '[a value that cannot be shown]';
    }
  }

  const plain = (value) => {
    try {
      const json = stringify(value);
      return json === undefined ? null : parse(json);
    } catch {
      return shown(value);
    }
  };

  const field = (error, name) => {
    try {
      const value = error?.[name];
      return typeof value === 'string' ? value.slice(0, MAX_MESSAGE) : '';
    } catch {
      return '';
    }
  };

  function described(error) {
    if (typeof error !== 'object' || error === null) return { name: 'Error', message: shown(error).slice(0, MAX_MESSAGE), stack: '' };
    return { name: field(error, 'name') || 'Error', message: field(error, 'message'), stack: field(error, 'stack') };
  }

  const pending = new NativeMap();
  const timers = new NativeMap();
  let asked = 0;
  let toHost;
  /** Tells the process something, which answers at once with a text; never given to scripts. */
  const host = (what, id, name, json) => toHost(what, id, name, json);

  const call = (name, payload) => {
    asked += 1;
    const id = asked;
    const json = stringify(payload ?? null) ?? 'null';
    return new NativePromise((resolve, reject) => {
      pending.set(id, { resolve, reject });
      host('call', id, name, json);
    });
  };
  const ask = (what, ...args) => parse(host(what, 0, '', stringify(args)));
  const internals = { call, ask, host, timers, define, freeze, plain, shown };

  /** The other files of the sandbox, while the snapshot is made: what they make is there when a context begins. */
  globalThis.__part = (make) => make(internals);

  const run = async (fn, argsJson, kind) => {
    try {
      const args = deepFreeze(parse(argsJson));
      if (kind !== 'http') {
        await fn(...args);
        return '{"ok":true}';
      }
      const response = internals.newResponse();
      const returned = await fn(args[0], response);
      return stringify({ ok: true, response: internals.finish(response, returned) });
    } catch (error) {
      return stringify({ ok: false, error: described(error) });
    }
  };
  const settle = (id, good, json) => {
    const waiting = pending.get(id);
    pending.delete(id);
    if (waiting === undefined) return;
    const value = parse(json);
    if (good) waiting.resolve(value);
    else waiting.reject(Object.assign(new NativeError(value.message), value));
  };
  const fire = (id) => {
    const timer = timers.get(id);
    if (timer === undefined) return;
    if (timer.every === undefined) timers.delete(id);
    else host('timer', id, '', text(timer.every));
    timer.fn(...timer.args);
  };

  /** Prepares the context for a run, whose script then calls `__start` with its function; returns what takes answers and timers. */
  globalThis.__boot = (given, currentJson, argsJson, kind) => {
    for (const name of DENIED) delete globalThis[name];
    delete globalThis.__boot;
    delete globalThis.__part;
    toHost = given;
    define('Runnable', freeze({ current: deepFreeze(parse(currentJson)) }));
    globalThis.__start = (fn) => {
      delete globalThis.__start;
      return run(fn, argsJson, kind);
    };
    return (id, good, json) => (json === undefined ? fire(id) : settle(id, good, json));
  };
})();
