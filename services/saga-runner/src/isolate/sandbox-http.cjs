/** What goes over HTTP, and what comes from a registry: fetch, answers of HTTP scripts, require. */
globalThis.__part((internals) => {
  'use strict';
  const { call, ask, define, freeze, bytesOf, toBase64 } = internals;
  const { Buffer, URL, URLSearchParams } = globalThis;

  class Headers {
    #values = new Map();
    constructor(from = {}) {
      for (const [name, value] of from instanceof Headers ? from : Object.entries(from)) this.set(name, value);
    }
    get(name) {
      return this.#values.get(String(name).toLowerCase()) ?? null;
    }
    set(name, value) {
      this.#values.set(String(name).toLowerCase(), String(value));
    }
    has(name) {
      return this.#values.has(String(name).toLowerCase());
    }
    delete(name) {
      this.#values.delete(String(name).toLowerCase());
    }
    [Symbol.iterator]() {
      return this.#values[Symbol.iterator]();
    }
  }
  define('Headers', Headers);
  define('fetch', async (target, options = {}) => {
    const { method = 'GET', headers = {}, body } = options;
    const bytes =
      body === undefined || body === null
        ? undefined
        : bytesOf(typeof body === 'object' && !ArrayBuffer.isView(body) ? String(body) : body);
    const answer = await call('fetch', {
      url: String(target),
      method: String(method).toUpperCase(),
      headers: Object.fromEntries(new Headers(headers)),
      ...(bytes === undefined ? {} : { body: toBase64(bytes) }),
    });
    const content = Buffer.from(answer.body, 'base64');
    return freeze({
      status: answer.status,
      ok: answer.status >= 200 && answer.status < 300,
      url: answer.url,
      headers: new Headers(answer.headers),
      text: async () => content.toString(),
      json: async () => JSON.parse(content.toString()),
      arrayBuffer: async () => content.buffer.slice(content.byteOffset, content.byteOffset + content.byteLength),
    });
  });

  // HTTP scripts: what `response` gathers.
  internals.newResponse = () => {
    const state = { status: 200, headers: {}, parts: [], ended: false };
    const write = (value) => {
      if (value === undefined || value === null) return;
      if (typeof value === 'object' && !ArrayBuffer.isView(value)) {
        state.headers['content-type'] ??= 'application/json';
        state.parts.push(JSON.stringify(value));
      } else state.parts.push(ArrayBuffer.isView(value) ? bytesOf(value) : String(value));
    };
    const response = {
      status: (code) => {
        state.status = Number(code);
        return response;
      },
      set: (name, value) => {
        state.headers[String(name).toLowerCase()] = String(value);
        return response;
      },
      write: (value) => {
        if (!state.ended) write(value);
        return response;
      },
      send: (value) => {
        if (state.ended) return response;
        write(value);
        state.ended = true;
        return response;
      },
      json: (value) => {
        state.headers['content-type'] = 'application/json';
        return response.send(JSON.stringify(value ?? null));
      },
      end: (value) => response.send(value),
      _state: state,
    };
    response.header = response.set;
    response.setHeader = response.set;
    return response;
  };
  // Texts are encoded outside, where that is quick.
  const bodyOf = (parts) =>
    parts.every((part) => typeof part === 'string')
      ? ask('base64', parts.join(''))
      : toBase64(Buffer.concat(parts.map((part) => bytesOf(part))));
  internals.finish = (response, returned) => {
    const { _state: state } = response;
    if (!state.ended && state.parts.length === 0 && returned !== undefined) response.send(returned);
    return { status: state.status, headers: state.headers, body: bodyOf(state.parts) };
  };

  // Packages: their bundle is a script that fills `module.exports`. Each run evaluates what it needs, once.
  const loaded = new Map();
  const NODE = { buffer: () => ({ Buffer }), crypto: () => globalThis.crypto, url: () => ({ URL, URLSearchParams }) };
  define('require', (name) => {
    const key = String(name);
    if (loaded.has(key)) return loaded.get(key).exports;
    const bare = key.replace(/^node:/, '');
    if (Object.hasOwn(NODE, bare)) return NODE[bare]();
    const code = ask('package', key);
    if (code === null) throw new Error(`the package "${key}" is not installed`);
    const module = { exports: {} };
    loaded.set(key, module);
    new Function('module', 'exports', 'require', `${code}\n//# sourceURL=package/${key}`)(module, module.exports, globalThis.require);
    return module.exports;
  });
});
