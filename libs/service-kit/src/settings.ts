/**
 * Settings as values: type, format, default and a one-sentence description. `config.ts` reads them from the environment; the lists in the
 * documents, `.env` files and the output of the command line come from the same definitions.
 */

/** The parsed value, or what was expected instead. */
export type ParsedSetting<Value> = { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly expected: string };

export interface Setting<Value> {
  readonly kind: 'text' | 'integer' | 'boolean' | 'choice' | 'duration' | 'url' | 'secret' | 'port';
  readonly doc: string;
  /** The unit of the number: `ms`, `bytes`, `connections` …. */
  readonly unit: string | undefined;
  /** Its name in the environment, if not derived from the key. */
  readonly env: string | undefined;
  /** Other accepted names: those of the original server, or older ones. */
  readonly aliases: readonly string[];
  readonly fallback: Fallback<Value>;
  /** The accepted values for tables: `1 … 1000`, `local | production`. */
  readonly form: string;
  parse(text: string): ParsedSetting<NonNullable<Value>>;
}

/** `local`: a default that exists in local mode only. `warning` names what is insecure about the default of local mode. */
export type Fallback<Value> =
  | { readonly kind: 'required' }
  | { readonly kind: 'optional' }
  | { readonly kind: 'value'; readonly value: Value; readonly local?: { readonly value: Value; readonly warning: string | undefined } }
  | { readonly kind: 'local'; readonly value: Value; readonly warning: string | undefined };

export type Settings = Readonly<Record<string, Setting<unknown>>>;

/** The frozen values of a set of settings. */
export type Config<S> = { readonly [Name in keyof S]: S[Name] extends Setting<infer Value> ? Value : never };

interface Spec<Value> {
  readonly doc: string;
  readonly unit?: string;
  readonly env?: string;
  readonly aliases?: readonly string[];
  /** Without `default`, `localDefault` and `optional` the setting is required. */
  readonly default?: Value;
  /** The default in local mode; without `default`, production must set a value. */
  readonly localDefault?: Value;
  /** Why `localDefault` is unsuitable for production; logged whenever it is used. */
  readonly insecure?: string;
  readonly optional?: boolean;
}

type ValueOf<S, Value> = S extends { readonly optional: true } ? Value | undefined : Value;

function setting<Value, S extends Spec<Value>>(
  kind: Setting<Value>['kind'],
  form: string,
  spec: S,
  parse: (text: string) => Value | undefined,
): Setting<ValueOf<S, Value>> {
  const built: Setting<Value> = {
    kind,
    form,
    doc: spec.doc,
    unit: spec.unit,
    env: spec.env,
    aliases: spec.aliases ?? [],
    fallback: fallbackOf(spec),
    parse: (text) => {
      const value = parse(text);
      return value === undefined || value === null ? { ok: false, expected: form } : { ok: true, value };
    },
  };
  // `ValueOf` only adds `undefined` for optional settings, whose fallback produces it; the compiler cannot follow that.
  return built as Setting<ValueOf<S, Value>>;
}

function fallbackOf<Value>(spec: Spec<Value>): Fallback<Value> {
  if (spec.default !== undefined) {
    return spec.localDefault === undefined
      ? { kind: 'value', value: spec.default }
      : { kind: 'value', value: spec.default, local: { value: spec.localDefault, warning: spec.insecure } };
  }
  if (spec.localDefault !== undefined) return { kind: 'local', value: spec.localDefault, warning: spec.insecure };
  return { kind: spec.optional === true ? 'optional' : 'required' };
}

export const text = <const S extends Spec<string> & { readonly pattern?: RegExp; readonly form?: string }>(spec: S) =>
  setting<string, S>('text', spec.form ?? 'text', spec, (value) =>
    spec.pattern === undefined || spec.pattern.test(value) ? value : undefined,
  );

export const integer = <const S extends Spec<number> & { readonly min: number; readonly max: number }>(spec: S) =>
  setting<number, S>('integer', `an integer from ${spec.min} to ${spec.max}`, spec, (value) => {
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    return number >= spec.min && number <= spec.max ? number : undefined;
  });

export const boolean = <const S extends Spec<boolean>>(spec: S) =>
  setting<boolean, S>('boolean', 'true or false', spec, (value) => {
    if (/^(true|1|yes|on)$/i.test(value)) return true;
    return /^(false|0|no|off)$/i.test(value) ? false : undefined;
  });

export const choice = <const Value extends string, const S extends Spec<Value>>(values: readonly Value[], spec: S) =>
  setting<Value, S>('choice', `one of ${values.join(', ')}`, spec, (value) => values.find((one) => one === value));

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds: a plain number, or one with `ms`, `s`, `m`, `h` or `d`. */
export const duration = <const S extends Spec<number> & { readonly min: number; readonly max: number }>(spec: S) =>
  setting<number, S>(
    'duration',
    `a duration from ${spec.min} to ${spec.max} ms, such as 250ms, 10s or 5m`,
    { ...spec, unit: 'ms' },
    (value) => {
      const match = /^(\d{1,15})(ms|s|m|h|d)?$/.exec(value);
      const ms = match === null ? Number.NaN : Number(match[1]) * (MILLISECONDS[match[2] ?? 'ms'] ?? Number.NaN);
      return ms >= spec.min && ms <= spec.max ? ms : undefined;
    },
  );

/** A URL, or several separated by commas where the schemes' servers form clusters. Printed without its user and password. */
export const url = <const S extends Spec<string> & { readonly schemes: readonly string[] }>(spec: S) =>
  setting<string, S>('url', `a URL with ${spec.schemes.map((scheme) => `${scheme}://`).join(' or ')}`, spec, (value) => {
    const good = value
      .split(',')
      .every((one) => URL.canParse(one.trim()) && spec.schemes.includes(new URL(one.trim()).protocol.slice(0, -1)));
    return good ? value : undefined;
  });

interface SecretSpec extends Spec<string> {
  readonly minLength?: number;
  /** A description of the accepted values, with `usable`. */
  readonly form?: string;
  usable?(value: string): boolean;
}

/** Never printed, and never empty. `<NAME>_FILE` may name a file that holds it. */
export const secret = <const S extends SecretSpec>(spec: S) =>
  setting<string, S>(
    'secret',
    spec.form ?? (spec.minLength === undefined ? 'a secret' : `a secret of at least ${spec.minLength} characters`),
    spec,
    (value) => (value.length >= (spec.minLength ?? 1) && spec.usable?.(value) !== false ? value : undefined),
  );

/** A TCP port; 0 takes a free one. */
export const port = <const S extends Spec<number>>(spec: S) =>
  setting<number, S>('port', 'a port from 0 to 65535', spec, (value) =>
    /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : undefined,
  );
