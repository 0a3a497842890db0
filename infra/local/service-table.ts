import { serviceExists } from '@polyedge/testkit/servers/service';

/** A service of `npm start`. */
export type ServiceEntry = {
  /** The folder below `services/`. */
  readonly name: string;
  readonly port: number;
  /** The variable that overrides the port. */
  readonly portVariable: string;
  readonly replicasVariable: string;
};

/** In start order: the edges need graph-store's keys and accounts, and the console needs the addresses of the edges. */
const table: readonly ServiceEntry[] = [
  entry('graph-store', 5406, 'GRAPH_STORE'),
  entry('saga-edge', 5401, 'SAGA'),
  entry('saga-runner', 5407, 'RUNNER'),
  entry('hiro-edge', 5402, 'HIRO'),
  entry('space-edge', 5403, 'SPACE'),
  entry('gooduncle-edge', 5404, 'GOODUNCLE'),
  entry('jssocket-edge', 5405, 'JSSOCKET'),
  entry('console', 5400, 'CONSOLE'),
];

/** The services of this working copy; with `only`, a comma-separated list, just these. Throws for an unknown name. */
export function services(only?: string): readonly ServiceEntry[] {
  const existing = table.filter(({ name }) => serviceExists(name));
  if (only === undefined) return existing;
  const names = only.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !existing.some((each) => each.name === name));
  if (unknown !== undefined)
    throw new Error(`There is no service "${unknown}". There are: ${existing.map(({ name }) => name).join(', ') || '(none yet)'}`);
  return existing.filter(({ name }) => names.includes(name));
}

/** Variables for `npm start` itself, which a service would reject as unknown settings. */
export const startVariables: readonly string[] = [
  'POLYEDGE_DATA',
  'POLYEDGE_BOOTSTRAP',
  ...table.flatMap(({ portVariable, replicasVariable }) => [portVariable, replicasVariable]),
];

/** Reads a whole number between `min` and `max` from the environment; throws an error that names the variable. */
export function wholeNumber(variable: string, otherwise: number, min: number, max: number): number {
  const text = process.env[variable];
  if (text === undefined || text === '') return otherwise;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min || value > max)
    throw new Error(`${variable} must be a whole number from ${min} to ${max}, not "${text}".`);
  return value;
}

function entry(name: string, port: number, prefix: string): ServiceEntry {
  return { name, port, portVariable: `${prefix}_PORT`, replicasVariable: `REPLICAS_${prefix}` };
}
