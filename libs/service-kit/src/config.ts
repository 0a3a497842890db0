/** Reads a service's settings from the environment. The only file that reads `process.env`. */
import { readFileSync } from 'node:fs';
import type { Config, Setting, Settings } from './settings.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export type ConfigResult<S> =
  | { readonly ok: true; readonly config: Config<S> /** Sentences about insecure defaults in use. */; readonly warnings: readonly string[] }
  | { readonly ok: false /** A sentence per mistake, each naming the variable. */; readonly problems: readonly string[] };

/**
 * The prefix of a service's settings: `HIRO_` for `hiro-edge`, `GRAPH_STORE_` for `graph-store`, and `RUNNER_` for `saga-runner`, since
 * `SAGA_` belongs to saga-edge.
 */
export const prefixOf = (service: string): string =>
  `${service
    .replace(/-edge$|^saga-(?=runner$)/, '')
    .replaceAll('-', '_')
    .toUpperCase()}_`;

/** The names under which a setting is read, the preferred one first. `HOST`, `PORT` and `METRICS_PORT` are also read with the prefix. */
export function namesOf(service: string, key: string, setting: Setting<unknown>): readonly string[] {
  const prefix = prefixOf(service);
  const name = setting.env ?? prefix + key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase();
  const prefixed = name === 'HOST' || name === 'PORT' || name === 'METRICS_PORT' ? [prefix + name] : [];
  return [name, ...prefixed, ...setting.aliases];
}

/**
 * Reads, validates and freezes the settings. All errors are reported together.
 * @param all every setting of the service, if this program reads only some of them: the names of the others are not reported as unknown
 */
export function readConfig<S extends Settings>(
  service: string,
  settings: S,
  environment: Environment = process.env,
  all: Settings = settings,
): ConfigResult<S> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const values: Record<string, unknown> = {};
  const local = environment.POLYEDGE_MODE === 'local';
  for (const [key, setting] of Object.entries(settings)) {
    const names = namesOf(service, key, setting);
    const found = lookUp(names, setting, environment);
    if (found === undefined) {
      const missing = fallBack(names[0] ?? key, setting, local, warnings);
      if (missing.problem !== undefined) problems.push(missing.problem);
      values[key] = missing.value;
    } else if ('problem' in found) {
      problems.push(found.problem);
    } else {
      const parsed = setting.parse(found.text);
      if (parsed.ok) values[key] = parsed.value;
      else problems.push(`${found.name} is ${shown(setting, found.text)}; expected ${parsed.expected}`);
    }
  }
  problems.push(...unknownNames(service, namesOfAll(service, all), environment));
  if (problems.length > 0) return { ok: false, problems };
  // Each value came from its own setting's parser or default, which the loop over names cannot express.
  return { ok: true, config: Object.freeze(values) as Config<S>, warnings };
}

/** Secrets, and URLs that may contain a password, can also be read from the file that `<NAME>_FILE` names. */
const fromFile = ({ kind }: Setting<unknown>): boolean => kind === 'secret' || kind === 'url';

type FoundText = { readonly name: string; readonly text: string } | { readonly problem: string };

function lookUp(names: readonly string[], setting: Setting<unknown>, environment: Environment): FoundText | undefined {
  for (const name of names) {
    const text = environment[name];
    if (isEmptySecret(setting, text)) return { problem: `${name} is empty; ${UNSET}` };
    if (text !== undefined && text !== '' && !fromKubernetes(name, text)) return { name, text };
    const file = fromFile(setting) ? environment[`${name}_FILE`] : undefined;
    if (isEmptySecret(setting, file)) return { problem: `${name}_FILE is empty; ${UNSET}` };
    if (file === undefined || file === '') continue;
    try {
      const content = readFileSync(file, 'utf8').trim();
      return isEmptySecret(setting, content) ? { problem: `the file of ${name}_FILE is empty` } : { name: `${name}_FILE`, text: content };
    } catch {
      return { problem: `${name}_FILE names a file that cannot be read` };
    }
  }
  return undefined;
}

const UNSET = 'set a value, or remove the variable';

/** A secret store returns an empty text for a missing secret. Treating it as "not set" would use a default instead of the secret. */
const isEmptySecret = ({ kind }: Setting<unknown>, text: string | undefined): boolean => kind === 'secret' && text?.trim() === '';

function fallBack(
  name: string,
  setting: Setting<unknown>,
  local: boolean,
  warnings: string[],
): { readonly value: unknown; readonly problem?: string } {
  const { fallback } = setting;
  const warn = (warning: string | undefined): void => {
    if (warning !== undefined) warnings.push(`${name} is not set: ${warning}`);
  };
  switch (fallback.kind) {
    case 'value':
      if (!local || fallback.local === undefined) return { value: fallback.value };
      warn(fallback.local.warning);
      return { value: fallback.local.value };
    case 'optional':
      return { value: undefined };
    case 'local':
      if (!local) return { value: undefined, problem: `${name} is required: ${setting.doc}` };
      warn(fallback.warning);
      return { value: fallback.value };
    case 'required':
      return { value: undefined, problem: `${name} is required: ${setting.doc}` };
  }
}

function namesOfAll(service: string, settings: Settings): ReadonlySet<string> {
  const known = new Set<string>();
  for (const [key, setting] of Object.entries(settings)) {
    for (const name of namesOf(service, key, setting)) {
      known.add(name);
      if (fromFile(setting)) known.add(`${name}_FILE`);
    }
  }
  return known;
}

function unknownNames(service: string, known: ReadonlySet<string>, environment: Environment): string[] {
  const prefix = prefixOf(service);
  return Object.entries(environment)
    .filter(([name, text]) => name.startsWith(prefix) && !known.has(name) && !fromKubernetes(name, text ?? ''))
    .map(([name]) => `${name} is not a setting of ${service}; run "config" to see them all`);
}

/** Whether Kubernetes (or Docker links) set the variable: each service of the namespace gets addresses under the service's name. */
function fromKubernetes(name: string, text: string): boolean {
  return (
    /_SERVICE_HOST$|_SERVICE_PORT(_|$)|_PORT_\d+_(TCP|UDP|SCTP)/.test(name) || (/_PORT$/.test(name) && /^(tcp|udp|sctp):\/\//.test(text))
  );
}

const shown = (setting: Setting<unknown>, text: string): string => {
  if (setting.kind === 'secret' || setting.kind === 'url') return 'not usable';
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
};
