/** What scripts for Node expect of their surroundings: timers, URL, texts and bytes, digests. */
globalThis.__part((internals) => {
  'use strict';
  const { ask, define, freeze, host, timers } = internals;

  let made = 0;
  const arm = (fn, ms, args, repeats) => {
    if (typeof fn !== 'function') throw new TypeError('a timer needs a function');
    made += 1;
    const wait = Math.min(Math.max(Number(ms) || 0, repeats ? 1 : 0), 600_000);
    timers.set(made, { fn, args, every: repeats ? wait : undefined });
    host('timer', made, '', String(wait));
    return made;
  };
  const disarm = (id) => {
    if (timers.delete(id)) host('clear', id, '', '');
  };
  define('setTimeout', (fn, ms, ...args) => arm(fn, ms, args, false));
  define('setInterval', (fn, ms, ...args) => arm(fn, ms, args, true));
  define('setImmediate', (fn, ...args) => arm(fn, 0, args, false));
  define('clearTimeout', disarm);
  define('clearInterval', disarm);
  define('clearImmediate', disarm);
  define('queueMicrotask', (fn) => void Promise.resolve().then(fn));
  define('structuredClone', (value) => JSON.parse(JSON.stringify(value)));

  // Bytes as text: hexadecimal goes over the border, the rest is done here.
  const HEX = '0123456789abcdef';
  const toHex = (bytes) => {
    let hex = '';
    for (const byte of bytes) hex += HEX[byte >> 4] + HEX[byte & 15];
    return hex;
  };
  const fromHex = (hex) => {
    const bytes = new Uint8Array(Math.floor(hex.length / 2));
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16);
    return bytes;
  };
  const utf8 = (text) => {
    const bytes = [];
    for (const letter of String(text)) {
      let code = letter.codePointAt(0);
      if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return Uint8Array.from(bytes);
  };
  const fromUtf8 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const first = bytes[at];
      const more =
        first < 0x80 ? 0 : first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : -1;
      let code = more === 0 ? first : first & (0x3f >> more);
      let good = more >= 0;
      for (let next = 1; good && next <= more; next += 1) {
        const byte = bytes[at + next];
        good = byte !== undefined && (byte & 0xc0) === 0x80;
        code = (code << 6) | (byte & 0x3f);
      }
      good &&=
        !(more === 2 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) && !(more === 3 && (code < 0x10000 || code > 0x10ffff));
      text += good ? String.fromCodePoint(code) : '\ufffd';
      at += good ? more + 1 : 1;
    }
    return text;
  };
  const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  const toBase64 = (bytes) => {
    let text = '';
    for (let at = 0; at < bytes.length; at += 3) {
      const [one, two, three] = [bytes[at], bytes[at + 1], bytes[at + 2]];
      text += LETTERS[one >> 2] + LETTERS[((one & 3) << 4) | ((two ?? 0) >> 4)];
      text += two === undefined ? '=' : LETTERS[((two & 15) << 2) | ((three ?? 0) >> 6)];
      text += three === undefined ? '=' : LETTERS[three & 63];
    }
    return text;
  };
  const fromBase64 = (text) => {
    const bytes = [];
    let bits = 0;
    let held = 0;
    for (const letter of String(text).replace(/-/g, '+').replace(/_/g, '/')) {
      const value = LETTERS.indexOf(letter);
      if (value < 0) continue;
      held = ((held << 6) | value) & 0xffffff;
      bits += 6;
      if (bits < 8) continue;
      bits -= 8;
      bytes.push((held >> bits) & 255);
    }
    return Uint8Array.from(bytes);
  };
  const latin1 = (text) => Uint8Array.from(String(text), (letter) => letter.charCodeAt(0) & 255);
  const fromLatin1 = (bytes) => Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');

  const ENCODINGS = {
    utf8: [utf8, fromUtf8],
    hex: [fromHex, toHex],
    base64: [fromBase64, toBase64],
    base64url: [fromBase64, (bytes) => toBase64(bytes).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '')],
    latin1: [latin1, fromLatin1],
  };
  const encodingOf = (name) => {
    const found =
      ENCODINGS[
        String(name ?? 'utf8')
          .toLowerCase()
          .replace('utf-8', 'utf8')
          .replace(/^(binary|ascii)$/, 'latin1')
      ];
    if (found === undefined) throw new TypeError(`unknown encoding ${name}`);
    return found;
  };
  class Buffer extends Uint8Array {
    static from(value, encoding, length) {
      if (typeof value === 'string') return new Buffer(encodingOf(encoding)[0](value));
      // For the memory of other bytes, the second one is where they begin in it.
      if (value instanceof ArrayBuffer) return new Buffer(value, encoding, length);
      return new Buffer(Uint8Array.from(value?.type === 'Buffer' ? value.data : value));
    }
    static alloc(size, fill) {
      return new Buffer(size).fill(fill ?? 0);
    }
    static isBuffer(value) {
      return value instanceof Buffer;
    }
    static byteLength(value) {
      return typeof value === 'string' ? utf8(value).length : value.byteLength;
    }
    static concat(list) {
      const all = new Buffer(list.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of list) {
        all.set(part, at);
        at += part.length;
      }
      return all;
    }
    toString(encoding, start = 0, end = this.length) {
      return encodingOf(encoding)[1](this.subarray(Math.max(0, start), Math.max(0, end)));
    }
    equals(other) {
      return this.length === other.length && this.every((byte, at) => byte === other[at]);
    }
    toJSON() {
      return { type: 'Buffer', data: Array.from(this) };
    }
  }
  define('Buffer', Buffer);
  define('atob', (text) => fromLatin1(fromBase64(text)));
  define('btoa', (text) => toBase64(latin1(text)));
  define(
    'TextEncoder',
    class TextEncoder {
      encode(text) {
        return utf8(text ?? '');
      }
    },
  );
  define(
    'TextDecoder',
    class TextDecoder {
      decode(bytes) {
        return bytes === undefined ? '' : fromUtf8(bytesOf(bytes)).replace(/^\ufeff/, '');
      }
    },
  );

  const bytesOf = (value) =>
    typeof value === 'string' ? utf8(value) : new Uint8Array(value.buffer ?? value, value.byteOffset ?? 0, value.byteLength);
  const digested = (algorithm, parts, key) => {
    const { hex, problem } = ask('digest', String(algorithm), toHex(Buffer.concat(parts)), key === undefined ? null : toHex(bytesOf(key)));
    if (problem !== undefined) throw new Error(problem);
    return Buffer.from(hex, 'hex');
  };
  const hasher = (algorithm, key) => {
    const parts = [];
    return freeze({
      update(value, encoding) {
        parts.push(typeof value === 'string' ? Buffer.from(value, encoding) : bytesOf(value));
        return this;
      },
      digest: (encoding) => (encoding === undefined ? digested(algorithm, parts, key) : digested(algorithm, parts, key).toString(encoding)),
    });
  };
  define(
    'crypto',
    freeze({
      randomUUID: () => ask('uuid'),
      getRandomValues: (array) => {
        new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(fromHex(ask('random', array.byteLength)));
        return array;
      },
      randomBytes: (size) => Buffer.from(ask('random', Number(size)), 'hex'),
      createHash: (algorithm) => hasher(algorithm),
      createHmac: (algorithm, key) => hasher(algorithm, key),
      subtle: freeze({
        digest: async (algorithm, data) => {
          const name = typeof algorithm === 'string' ? algorithm : algorithm.name;
          return digested(name.replace('-', ''), [bytesOf(data)]).buffer;
        },
      }),
    }),
  );

  class URLSearchParams {
    #pairs = [];
    #changed;
    constructor(from = '', changed) {
      this.#changed = changed;
      if (typeof from === 'string') this.#pairs = ask('query', from.replace(/^\?/, ''));
      else if (typeof from?.[Symbol.iterator] === 'function')
        this.#pairs = Array.from(from, ([name, value]) => [String(name), String(value)]);
      else this.#pairs = Object.entries(from).map(([name, value]) => [name, String(value)]);
    }
    #set(pairs) {
      this.#pairs = pairs;
      this.#changed?.(this.toString());
    }
    get(name) {
      return this.#pairs.find(([known]) => known === name)?.[1] ?? null;
    }
    getAll(name) {
      return this.#pairs.filter(([known]) => known === name).map(([, value]) => value);
    }
    has(name) {
      return this.#pairs.some(([known]) => known === name);
    }
    append(name, value) {
      this.#set([...this.#pairs, [String(name), String(value)]]);
    }
    set(name, value) {
      const at = this.#pairs.findIndex(([known]) => known === name);
      const others = this.#pairs.filter(([known]) => known !== name);
      // The first of this name keeps its place.
      this.#set(others.toSpliced(at === -1 ? others.length : at, 0, [String(name), String(value)]));
    }
    delete(name) {
      this.#set(this.#pairs.filter(([known]) => known !== name));
    }
    forEach(fn) {
      for (const [name, value] of this.#pairs) fn(value, name, this);
    }
    entries() {
      return this.#pairs.map((pair) => [...pair])[Symbol.iterator]();
    }
    keys() {
      return this.#pairs.map(([name]) => name)[Symbol.iterator]();
    }
    values() {
      return this.#pairs.map(([, value]) => value)[Symbol.iterator]();
    }
    [Symbol.iterator]() {
      return this.entries();
    }
    toString() {
      return ask('unquery', this.#pairs);
    }
  }
  define('URLSearchParams', URLSearchParams);

  const PARTS = ['href', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];
  class URL {
    #parts;
    #query;
    constructor(text, base) {
      this.#parts = ask('url', String(text), base === undefined ? null : String(base));
      if (this.#parts === null) throw new TypeError('Invalid URL');
    }
    static canParse(text, base) {
      return ask('url', String(text), base === undefined ? null : String(base)) !== null;
    }
    get origin() {
      return this.#parts.origin;
    }
    get searchParams() {
      this.#query ??= new URLSearchParams(this.search, (search) => {
        this.#parts = ask('url-with', this.href, 'search', search) ?? this.#parts;
      });
      return this.#query;
    }
    _part(name, value) {
      if (value === undefined) return this.#parts[name];
      this.#parts = ask('url-with', this.#parts.href, name, String(value)) ?? this.#parts;
      this.#query = undefined;
      return undefined;
    }
    toString() {
      return this.href;
    }
    toJSON() {
      return this.href;
    }
  }
  for (const name of PARTS) {
    Object.defineProperty(URL.prototype, name, {
      get() {
        return this._part(name);
      },
      set(value) {
        this._part(name, value);
      },
    });
  }
  define('URL', URL);
  Object.assign(internals, { bytesOf, toBase64 });
});
