/** The objects of Saga's JavaScript API (its page, "JavaScript API"; services/saga-runner/saga-runnable.d.ts has the types). */
globalThis.__part((internals) => {
  'use strict';
  const { call, define, freeze, plain, shown, host } = internals;

  /** Operators by what stands between the parent and the options. */
  const OPERATORS = {
    none: ['lpop', 'rpop'],
    key: ['unset', 'hlpop', 'hrpop'],
    value: ['incr', 'inrc', 'mul', 'sadd', 'rem', 'lpush', 'rpush'],
    both: ['set', 'hincr', 'hmul', 'hlpush', 'hrpush', 'hrem', 'hsadd'],
  };

  function properties(kind) {
    const global = kind === 'globals';
    const post = (operator, name, parent_id, rest, options) =>
      call('property', { kind, operator, post: { name, ...(global ? {} : { parent_id }), ...rest }, options: options ?? {} });
    /** Splits the parent off, which globals have none of. */
    const own = (make) => (global ? (name, ...rest) => make(name, undefined, ...rest) : make);
    const api = {
      add: (name, value, ...rest) => {
        if (typeof name === 'object' && name !== null) return post('', name.name, name.parent_id, { value: name.value }, value);
        return global ? post('', name, undefined, { value }, rest[0]) : post('', name, rest[0], { value }, rest[1]);
      },
      get: own((name, parent_id) => call('get-property', { kind, name, parent_id })),
      find: (criteria, options) => call('find-properties', { kind, criteria: criteria ?? {}, options: options ?? {} }),
      count: (criteria) => call('count-properties', { kind, criteria: criteria ?? {} }),
      remove: own((name, parent_id) => call('remove-property', { kind, name, parent_id })),
    };
    for (const name of OPERATORS.none) api[name] = own((property, parent, options) => post(name, property, parent, {}, options));
    for (const name of OPERATORS.key) api[name] = own((property, parent, key, options) => post(name, property, parent, { key }, options));
    for (const name of OPERATORS.value)
      api[name] = own((property, parent, value, options) => post(name, property, parent, { value }, options));
    for (const name of OPERATORS.both)
      api[name] = own((property, parent, key, value, options) => post(name, property, parent, { key, value }, options));
    return freeze(api);
  }

  const signals = (kind) =>
    freeze({
      emit: (name, value, parent_id) => call('signal', { kind, post: { name, value, ...(kind === 'globals' ? {} : { parent_id }) } }),
    });

  const parents = (kind) =>
    freeze({
      find: (criteria, options) => call('find-parents', { kind, criteria: criteria ?? {}, options: options ?? {} }),
      findOne: async (criteria) => (await call('find-parents', { kind, criteria: criteria ?? {}, options: { limit: 1 } }))[0] ?? null,
      findById: (id) => call('get-parent', { kind, id }),
      ...(kind === 'bot' ? { create: (bot) => call('create-bot', bot) } : {}),
    });

  define('UserProperty', properties('user'));
  define('BotProperty', properties('bot'));
  define('GlobalProperty', properties('globals'));
  define('UserSignal', signals('user'));
  define('BotSignal', signals('bot'));
  define('GlobalSignal', signals('globals'));
  define('User', parents('user'));
  define('Bot', parents('bot'));
  define(
    'Message',
    freeze({
      send: (message) => call('message', message),
      find: (criteria, options) => call('find-messages', { criteria: criteria ?? {}, options: options ?? {} }),
    }),
  );

  /** Key-value storages, each under its name. */
  define('storage', (name) =>
    freeze({
      get: (key) => call('storage-get', { name, key }),
      set: (key, value) => call('storage-set', { name, key, value: value ?? null }),
      remove: (key) => call('storage-remove', { name, key }),
      keys: (options) => call('storage-keys', { name, ...(options ?? {}) }),
    }),
  );

  const count = (kind, sign) => (name, value) => {
    host('stat', 0, kind, JSON.stringify([String(name), typeof value === 'number' ? sign * value : sign]));
  };
  const gauge = (kind) => (name, value) => {
    host('stat', 0, kind, JSON.stringify([String(name), typeof value === 'number' ? value : 0]));
  };
  define(
    'statsd_client',
    freeze({
      increment: count('count', 1),
      decrement: count('count', -1),
      histogram: gauge('histogram'),
      timing: gauge('histogram'),
      gauge: gauge('gauge'),
      set: gauge('set'),
      unique: gauge('set'),
    }),
  );

  const log =
    (level) =>
    (...args) => {
      host('log', 0, level, JSON.stringify({ message: args.map(shown).join(' ').slice(0, 65_536), args: args.slice(0, 20).map(plain) }));
    };
  define('console', freeze({ log: log('log'), info: log('info'), warn: log('warn'), error: log('error'), debug: log('debug') }));
});
