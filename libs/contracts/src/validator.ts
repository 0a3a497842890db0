/**
 * Validates values against the part of JSON Schema that `schema.ts` builds. A schema becomes the source of one function, because every
 * message between processes is tested, and this takes a third of the time of a validator of typebox or ajv.
 */

/** The keywords that are validated, and those that describe. */
export interface Keywords {
  readonly type?: string;
  readonly const?: unknown;
  readonly anyOf?: readonly Keywords[];
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Keywords>>;
  /** That other members are refused; they are allowed if it is absent. */
  readonly additionalProperties?: boolean;
  /** One pattern, which stands for every name. */
  readonly patternProperties?: Readonly<Record<string, Keywords>>;
  readonly items?: Keywords;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly title?: string;
  readonly description?: string;
}

const OF_ALL_TYPES: readonly string[] = ['type', 'const', 'anyOf', 'title', 'description'];
const OF_TYPE: Readonly<Record<string, readonly string[]>> = {
  array: ['items', 'minItems', 'maxItems'],
  bigint: [],
  boolean: [],
  integer: ['minimum', 'maximum'],
  null: [],
  number: ['minimum', 'maximum'],
  object: ['required', 'properties', 'additionalProperties', 'patternProperties'],
  string: ['minLength', 'maxLength', 'pattern'],
};

export interface Validator {
  test(value: unknown): boolean;
  /** The first problem, as "/path: what is expected"; undefined if there is none. It has names of the value's members, but no content. */
  problem(value: unknown): string | undefined;
}

/**
 * Compiles a schema.
 * @throws if it has a keyword or a type that is not validated here
 */
export function validatorOf(schema: Keywords): Validator {
  const scope: SourceScope = { patterns: [], variables: 0 };
  const source = expression(schema, 'value', scope);
  return {
    // The source has nothing from outside: schemas are written in our programs.
    test: new Function('patterns', 'atLeast', 'atMost', `return (value) => ${source}`)(scope.patterns, atLeast, atMost),
    problem: (value) => problemOf(schema, value, ''),
  };
}

interface SourceScope {
  /** The expressions that the source uses, by their index. */
  readonly patterns: RegExp[];
  /** How many variables the source has. */
  variables: number;
}

/** The source of an expression that is true when `value`, a variable or a member, satisfies the schema. */
function expression(schema: Keywords, value: string, scope: SourceScope): string {
  const known = schema.type === undefined ? [] : OF_TYPE[schema.type];
  const strange = known === undefined ? 'type' : Object.keys(schema).find((name) => !OF_ALL_TYPES.includes(name) && !known.includes(name));
  if (strange !== undefined) throw new Error(`no validator for this ${strange}: ${JSON.stringify(schema)}`);
  const rules = schema.const === undefined ? rulesOfType(schema, value, scope) : [`${value} === ${JSON.stringify(schema.const)}`];
  if (schema.anyOf !== undefined) rules.push(schema.anyOf.map((each) => expression(each, value, scope)).join(' || '));
  return rules.length === 0 ? 'true' : `(${rules.join(' && ')})`;
}

function rulesOfType(schema: Keywords, value: string, scope: SourceScope): string[] {
  const { minItems, maxItems, minLength, maxLength, pattern, minimum, maximum } = schema;
  const rules = (...of: readonly (string | false)[]): string[] => of.filter((rule) => rule !== false);
  switch (schema.type) {
    case 'array':
      return rules(
        `Array.isArray(${value})`,
        minItems !== undefined && `${value}.length >= ${minItems}`,
        maxItems !== undefined && `${value}.length <= ${maxItems}`,
        everyOf(value, schema.items, scope),
      );
    case 'integer':
    case 'number':
      return rules(
        schema.type === 'integer' ? `Number.isInteger(${value})` : `Number.isFinite(${value})`,
        minimum !== undefined && `${value} >= ${minimum}`,
        maximum !== undefined && `${value} <= ${maximum}`,
      );
    case 'null':
      return [`${value} === null`];
    case 'object':
      return rules(
        `typeof ${value} === 'object' && ${value} !== null && !Array.isArray(${value})`,
        schema.additionalProperties === false && `Object.keys(${value}).every((name) => ${JSON.stringify(namesOf(schema))}.includes(name))`,
        everyOf(`Object.values(${value})`, valueOfEach(schema), scope),
        ...Object.entries(schema.properties ?? {}).map(([name, property]) =>
          member(name, property, value, schema.required?.includes(name) === true, scope),
        ),
      );
    case 'string':
      return rules(
        `typeof ${value} === 'string'`,
        minLength !== undefined && `atLeast(${value}, ${minLength})`,
        maxLength !== undefined && `atMost(${value}, ${maxLength})`,
        pattern !== undefined && `patterns[${scope.patterns.push(new RegExp(pattern, 'u')) - 1}].test(${value})`,
      );
    default:
      return schema.type === undefined ? [] : [`typeof ${value} === '${schema.type}'`];
  }
}

/** A member's value satisfies its schema; undefined satisfies only unknown ones, and is the same as absent for one that is not required. */
function member(name: string, schema: Keywords, value: string, required: boolean, scope: SourceScope): string | false {
  const key = JSON.stringify(name);
  const rule = expression(schema, `${value}[${key}]`, scope);
  if (rule === 'true') return required && `${key} in ${value}`;
  return required ? rule : `(${value}[${key}] === undefined || ${rule})`;
}

function everyOf(values: string, schema: Keywords | undefined, scope: SourceScope): string | false {
  if (schema === undefined) return false;
  scope.variables += 1;
  const item = `item${scope.variables}`;
  const rule = expression(schema, item, scope);
  return rule !== 'true' && `${values}.every((${item}) => ${rule})`;
}

const valueOfEach = ({ patternProperties = {} }: Keywords): Keywords | undefined => Object.values(patternProperties)[0];

const namesOf = ({ properties = {} }: Keywords): readonly string[] => Object.keys(properties);

// Lengths are in code points, which are counted only where the number of UTF-16 units does not decide.
const atLeast = (text: string, length: number): boolean => text.length >= 2 * length || [...text].length >= length;
const atMost = (text: string, length: number): boolean =>
  text.length <= length || (text.length <= 2 * length && [...text].length <= length);

/** In words and order of typebox, by which clients know them. */
function problemOf(schema: Keywords, value: unknown, path: string): string | undefined {
  const broken = problemOfType(schema, value, path);
  if (broken !== undefined) return broken;
  if (schema.const !== undefined && value !== schema.const) return `${path || '/'}: must be equal to constant`;
  if (schema.anyOf === undefined) return undefined;
  const problems = schema.anyOf.map((each) => problemOf(each, value, path));
  return problems.includes(undefined) ? undefined : problems[0];
}

function problemOfType(schema: Keywords, value: unknown, path: string): string | undefined {
  const { type } = schema;
  const is = typeOf(value);
  if (type !== undefined && is !== type && !(type === 'number' && is === 'integer')) return `${path || '/'}: must be ${type}`;
  const { minItems = 0, maxItems = Number.POSITIVE_INFINITY, minLength = 0, maxLength = Number.POSITIVE_INFINITY } = schema;
  const { pattern = '', minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema;
  const found = problemWithin(schema, value, path);
  if (found !== undefined) return found;
  const rules: readonly (readonly [boolean, string])[] = [
    [Array.isArray(value) && value.length < minItems, `not have fewer than ${minItems} items`],
    [Array.isArray(value) && value.length > maxItems, `not have more than ${maxItems} items`],
    [typeof value === 'string' && !atLeast(value, minLength), `not have fewer than ${minLength} characters`],
    [typeof value === 'string' && !atMost(value, maxLength), `not have more than ${maxLength} characters`],
    [typeof value === 'string' && !new RegExp(pattern, 'u').test(value), `match pattern "${pattern}"`],
    [typeof value === 'number' && value < minimum, `be >= ${minimum}`],
    [typeof value === 'number' && value > maximum, `be <= ${maximum}`],
  ];
  const broken = rules.find(([breaks]) => breaks);
  return broken === undefined ? undefined : `${path || '/'}: must ${broken[1]}`;
}

/** Of the members of an object or the items of an array. */
function problemWithin(schema: Keywords, value: unknown, path: string): string | undefined {
  const { type, required = [], properties = {}, items } = schema;
  const firstOf = (parts: readonly (readonly [string | number, Keywords, unknown])[]): string | undefined => {
    for (const [name, each, given] of parts) {
      const problem = problemOf(each, given, `${path}/${part(String(name))}`);
      if (problem !== undefined) return problem;
    }
    return undefined;
  };
  if (Array.isArray(value)) return items === undefined ? undefined : firstOf(value.map((item, at) => [at, items, item]));
  if (type !== 'object' || !isObject(value)) return undefined;
  const missing = required.filter((name) => !(name in value));
  if (missing.length > 0) return `${path || '/'}: must have required properties ${missing.join(', ')}`;
  const stray = schema.additionalProperties === false ? Object.keys(value).find((name) => !namesOf(schema).includes(name)) : undefined;
  if (stray !== undefined) return `${path}/${part(stray)}: schema is false`;
  const each = valueOfEach(schema);
  const given = Object.entries(properties).filter(([name]) => required.includes(name) || value[name] !== undefined);
  return (
    firstOf(each === undefined ? [] : Object.entries(value).map(([name, content]) => [name, each, content])) ??
    firstOf(given.map(([name, property]) => [name, property, value[name]]))
  );
}

/** A name as a part of a JSON pointer. */
const part = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : Number.isFinite(value) ? 'number' : 'no number';
  return typeof value;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeOf(value) === 'object';
