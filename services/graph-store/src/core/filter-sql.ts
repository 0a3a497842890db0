import type { Condition, Filter } from '@polyedge/query/filter';
import { isNumber, type Json } from '@polyedge/query/json';
import { parsePattern } from '@polyedge/query/like';
import { parseRegexp } from '@polyedge/query/regexp';
import { canonicalDecimal, FOLDED_FROM, FOLDED_TO, fold, isDecimal, MAX_DECIMAL_CHARACTERS, SEPARATORS, words } from '@polyedge/query/text';
import { geoSql } from './geo-sql.ts';
import { type SqlSource, sourceOf } from './place-sql.ts';
import type { SqlParameters } from './sql-parameters.ts';

/** Up to this many values of `in` are looked up in the index on the attributes, one by one. */
const MAX_INDEXED_VALUES = 32;

/**
 * Compiles a filter to a condition on table `element` that holds for exactly the rows whose elements match the filter's predicate.
 *
 * Every part of the filter becomes a bound value or a keyword of this file. If the filter does not hold, the result is false or
 * null; `not` turns both into true. Equality on attributes is expressed as containment, for which there is a GIN index (jsonb_path_ops).
 *
 * @param filter one that `parseFilter` accepted
 * @param parameters receives the values; may already contain values of the caller
 */
export function compileFilter(filter: Filter, parameters: SqlParameters): string {
  if ('all' in filter) return group(filter.all, ' and ', 'true', parameters);
  if ('any' in filter) return group(filter.any, ' or ', 'false', parameters);
  if ('not' in filter) return `((${compileFilter(filter.not, parameters)}) is not true)`;
  const source = sourceOf(filter.path, parameters);
  if (source === undefined) return acceptsNull(filter) ? 'true' : 'false';
  return source.kind === 'json' ? onAttribute(source, filter, parameters) : onColumn(source, filter, parameters);
}

function group(parts: readonly Filter[], word: string, empty: string, parameters: SqlParameters): string {
  return parts.length === 0 ? empty : `(${parts.map((part) => compileFilter(part, parameters)).join(word)})`;
}

/** Whether a condition holds if there is no value. */
function acceptsNull(condition: Condition): boolean {
  return condition.test === 'equal' ? condition.value === null : condition.test === 'in' && condition.values.includes(null);
}

const OPERATORS = {
  less: '<',
  'at-most': '<=',
  more: '>',
  'at-least': '>=',
  'text-less': '<',
  'text-at-most': '<=',
  'text-more': '>',
  'text-at-least': '>=',
} as const;

type ColumnSource = Exclude<SqlSource, { kind: 'json' }>;
type JsonSource = Extract<SqlSource, { kind: 'json' }>;

function onColumn(source: ColumnSource, condition: Condition, parameters: SqlParameters): string {
  const { kind, sql } = source;
  switch (condition.test) {
    case 'equal':
      return columnEquals(source, condition.value, parameters);
    case 'in': {
      const strings = condition.values.filter((value) => typeof value === 'string');
      const rest = condition.values.filter((value) => typeof value !== 'string' || kind !== 'text');
      const parts = rest.map((value) => columnEquals(source, value, parameters));
      if (kind === 'text' && strings.length > 0) parts.push(`${sql} = ${parameters.texts(strings)}`);
      return parts.length === 0 ? 'false' : `(${parts.join(' or ')})`;
    }
    case 'less':
    case 'at-most':
    case 'more':
    case 'at-least': {
      const { value } = condition;
      const operator = OPERATORS[condition.test];
      if (kind === 'text' && typeof value === 'string') return `(${sql} collate "C" ${operator} ${parameters.text(value)})`;
      if (kind === 'number' && isNumber(value)) return `(${sql} ${operator} ${parameters.integer(value)})`;
      if (kind === 'boolean' && typeof value === 'boolean') return `(${sql} ${operator} ${value})`;
      return 'false';
    }
    case 'present':
      return `(${sql} is not null)`;
    case 'starts-with':
      return kind === 'text' ? `starts_with(${sql}, ${parameters.text(condition.value)})` : 'false';
    case 'contains':
    case 'near':
    case 'within':
    case 'inside':
      return 'false';
    case 'text-equal':
      // A direct comparison of a text column can use its index.
      if (kind === 'text' && condition.numeric !== true) return `(${sql} = ${parameters.text(condition.value)})`;
      break;
    default:
  }
  const text = textTest(condition, parameters);
  if (kind === 'text') return `(${text(sql)})`;
  return `(${text(kind === 'number' ? `${sql}::text` : `(case when ${sql} then 'true' else 'false' end)`)})`;
}

function columnEquals({ kind, sql }: ColumnSource, value: Json, parameters: SqlParameters): string {
  if (value === null) return `(${sql} is null)`;
  if (kind === 'text' && typeof value === 'string') return `(${sql} = ${parameters.text(value)})`;
  if (kind === 'number' && isNumber(value)) return `(${sql} = ${parameters.integer(value)})`;
  if (kind === 'boolean' && typeof value === 'boolean') return `(${sql} = ${value})`;
  return 'false';
}

function onAttribute(source: JsonSource, condition: Condition, parameters: SqlParameters): string {
  if (condition.test === 'equal') return attributeEquals(source, condition.value, parameters);
  if (condition.test === 'in' && condition.values.length <= MAX_INDEXED_VALUES) {
    const parts = condition.values.map((value) => attributeEquals(source, value, parameters));
    return parts.length === 0 ? 'false' : `(${parts.join(' or ')})`;
  }
  if (condition.test === 'text-equal' && !(condition.numeric === true && isDecimal(condition.value))) {
    return attributeShows(source, condition.value, parameters);
  }
  if (condition.test === 'text-words' && words(condition.value).length === 0) return 'false';
  const sql = source.read();
  switch (condition.test) {
    case 'in': {
      const { values } = condition;
      const set = `any(array(select jsonb_array_elements(${parameters.json(JSON.stringify(values))})))`;
      return values.includes(null) ? `(coalesce(${sql}, 'null'::jsonb) = ${set})` : `(${sql} = ${set})`;
    }
    case 'less':
    case 'at-most':
    case 'more':
    case 'at-least': {
      const { value } = condition;
      const operator = OPERATORS[condition.test];
      if (isNumber(value)) return whereType(sql, 'number', `${sql}::numeric ${operator} ${parameters.numeric(value)}`);
      if (typeof value === 'boolean') return whereType(sql, 'boolean', `${sql}::boolean ${operator} ${value}`);
      return whereType(sql, 'string', `(${sql} #>> '{}') collate "C" ${operator} ${parameters.text(value)}`);
    }
    case 'present':
      return `(jsonb_typeof(${sql}) <> 'null')`;
    case 'contains':
      return (
        `exists (select from jsonb_array_elements(case jsonb_typeof(${sql}) when 'array' then ${sql} else '[]'::jsonb end) ` +
        `as item(value) where item.value = ${parameters.json(JSON.stringify(condition.value))})`
      );
    case 'starts-with':
      return whereType(sql, 'string', `starts_with(${sql} #>> '{}', ${parameters.text(condition.value)})`);
    case 'near':
    case 'within':
    case 'inside':
      return geoSql(sql, condition, parameters);
    default:
      return someText(sql, textTest(condition, parameters));
  }
}

/** Whether the value, or one element of it if it is a list, has a text that passes. */
function someText(sql: string, passes: (text: string) => string): string {
  return (
    `exists (select from jsonb_array_elements(case jsonb_typeof(${sql}) when 'array' then ${sql} else jsonb_build_array(${sql}) end) ` +
    "as item(value) cross join lateral (select case jsonb_typeof(item.value) when 'string' then item.value #>> '{}' " +
    "when 'boolean' then item.value #>> '{}' when 'number' then trim_scale(item.value::numeric)::text end as text offset 0) as shown " +
    `where ${passes('shown.text')})`
  );
}

function whereType(sql: string, type: string, then: string): string {
  return `(case when jsonb_typeof(${sql}) = '${type}' then ${then} else false end)`;
}

function attributeEquals({ read, keys }: JsonSource, value: Json, parameters: SqlParameters): string {
  if (value === null) return `(coalesce(jsonb_typeof(${read()}), 'null') = 'null')`;
  const text = JSON.stringify(value);
  const equal = (): string => `${read()} = ${parameters.json(text)}`;
  // Empty lists and objects cannot be looked up in the index.
  if (text === '[]' || text === '{}') return `(${equal()})`;
  const contained = `attributes @> ${parameters.json(nested(keys, text))}`;
  // A scalar inside an object is contained only if it is equal; lists and objects are also contained in larger ones.
  return typeof value === 'object' ? `(${contained} and ${equal()})` : `(${contained})`;
}

/** Text equality as containment of every scalar that has this text, alone or in a list. */
function attributeShows({ keys }: JsonSource, text: string, parameters: SqlParameters): string {
  const scalars = [JSON.stringify(text)];
  if (text === 'true' || text === 'false') scalars.push(text);
  if (isDecimal(text) && canonicalDecimal(text) === text) scalars.push(text);
  const parts = scalars.flatMap((scalar) => [nested(keys, scalar), nested(keys, `[${scalar}]`)]);
  return `(${parts.map((part) => `attributes @> ${parameters.json(part)}`).join(' or ')})`;
}

/** The JSON text of a value under a path of keys. */
function nested(keys: readonly string[], text: string): string {
  return keys.reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, text);
}

/** A test of one text, as a function of the SQL expression for the text. */
function textTest(condition: Condition, parameters: SqlParameters): (text: string) => string {
  switch (condition.test) {
    case 'text-equal': {
      const { value } = condition;
      if (condition.numeric !== true || !isDecimal(value)) return (text) => `${text} = ${parameters.text(value)}`;
      return (text) => `(case when ${looksDecimal(text)} then ${text}::numeric = ${parameters.numeric(value)} else false end)`;
    }
    case 'text-less':
    case 'text-at-most':
    case 'text-more':
    case 'text-at-least': {
      const { value } = condition;
      const operator = OPERATORS[condition.test];
      const asText = (text: string): string => `${text} collate "C" ${operator} ${parameters.text(value)}`;
      if (!isDecimal(value)) return asText;
      const number = parameters.numeric(value);
      return (text) => `(case when ${looksDecimal(text)} then ${text}::numeric ${operator} ${number} else ${asText(text)} end)`;
    }
    case 'text-like': {
      const folded = condition.fold === true;
      const pattern = parameters.text(likePattern(folded ? fold(condition.pattern) : condition.pattern));
      return (text) => `${folded ? foldSql(text) : `${text} collate "C"`} like ${pattern}`;
    }
    case 'text-regexp': {
      const regexp = parseRegexp(condition.pattern);
      if (!regexp.ok) return () => 'false';
      const pattern = parameters.text(regexp.value.sql);
      return (text) => `${text} collate "C" ~ ${pattern}`;
    }
    case 'text-words': {
      const wanted = words(condition.value);
      if (wanted.length === 0) return () => 'false';
      const needles = parameters.json(JSON.stringify(condition.phrase === true ? [wanted.join(' ')] : wanted));
      return (text) => {
        const spaced = `(' ' || regexp_replace(${foldSql(text)}, '[${SEPARATORS}]+', ' ', 'g') || ' ')`;
        return (
          `(${text} is not null and not exists (select from (select ${spaced} as text offset 0) as spaced ` +
          `cross join jsonb_array_elements_text(${needles}) as wanted(word) where strpos(spaced.text, ' ' || wanted.word || ' ') = 0))`
        );
      };
    }
    default:
      return () => 'false';
  }
}

function looksDecimal(text: string): string {
  return `length(${text}) <= ${MAX_DECIMAL_CHARACTERS} and ${text} ~ '^[+-]?[0-9]+(\\.[0-9]+)?$'`;
}

function foldSql(text: string): string {
  return `translate(lower(${text} collate "C"), '${FOLDED_FROM}', '${FOLDED_TO}')`;
}

function likePattern(pattern: string): string {
  return parsePattern(pattern)
    .map((part) => (part === 'any' ? '%' : part === 'one' ? '_' : part.literal.replace(/[\\%_]/g, '\\$&')))
    .join('');
}
