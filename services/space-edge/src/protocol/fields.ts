/** Parses the fields of a request: the first problem is answered with 422, like SPACE's validation. Null counts as absent. */
import { got, type Result, refuse } from './answer.ts';

export type Fields = Readonly<Record<string, unknown>>;

/** The fields of a body; none if it is no object. */
export function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return {};
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null && value !== undefined));
}

export interface TextRule {
  readonly required?: boolean;
  readonly min: number;
  readonly max: number;
}

export function textField(fields: Fields, name: string, { required = false, min, max }: TextRule): Result<string | undefined> {
  const value = fields[name];
  if (value === undefined) return required ? refuse(422, `The ${name} field is required`) : got(undefined);
  if (typeof value !== 'string') return refuse(422, `The ${name} field must be a string`);
  const length = value.trim().length;
  if (length < min || value.length > max) return refuse(422, `The ${name} field must have ${min} to ${max} characters`);
  // NUL and lone surrogates are never meaningful, and the database cannot store them.
  if (value.includes('\0') || !value.isWellFormed()) return refuse(422, `The ${name} field has characters that are not allowed`);
  return got(value);
}

export function wordField<const Word extends string>(
  fields: Fields,
  name: string,
  words: readonly Word[],
  status: 400 | 422 = 422,
): Result<Word | undefined> {
  const value = fields[name];
  if (value === undefined) return got(undefined);
  const found = words.find((word) => word === value);
  return found === undefined ? refuse(status, `The ${name} field must be one of ${words.join(', ')}`) : got(found);
}

/** Ids are 24 hex digits; only their length is checked, as SPACE does. */
export const isId = (value: unknown): value is string => typeof value === 'string' && value.length === 24;

/** A page of a list: `offset` takes precedence over `page` if it is above 0. */
export interface PageRequest {
  readonly offset: number;
  readonly limit: number;
  readonly order: 'asc' | 'desc';
}

/** For services: `page` from 1, `limit` 20. Values that are no numbers count as absent. */
export function servicePage(query: Fields): PageRequest {
  const number = (name: string, otherwise: number, min: number, max: number): number => {
    const value = Number(query[name] ?? otherwise);
    return Number.isInteger(value) && value >= min ? Math.min(value, max) : otherwise;
  };
  const limit = number('limit', 20, 1, 1000);
  const offset = number('offset', 0, 0, 1_000_000);
  return {
    offset: offset > 0 ? offset : Math.min((number('page', 1, 1, 1_000_000) - 1) * limit, 1_000_000),
    limit,
    order: query.order === 'desc' ? 'desc' : 'asc',
  };
}

/** For users and organizations: `limit` 1 to 50, default 10; anything else is 400. */
export function directoryPage(query: Fields): Result<{ readonly offset: number; readonly limit: number }> {
  const limit = Number(query.limit ?? 10);
  const offset = Number(query.offset ?? 0);
  if (!Number.isInteger(limit) || limit < 1 || limit > 50) return refuse(400, 'INVALID DATA: Limit must be between 1 and 50');
  if (!Number.isInteger(offset) || offset < 0 || offset > 1_000_000)
    return refuse(400, 'INVALID DATA: Offset must be a non-negative number');
  return got({ offset, limit });
}

export interface Pagination {
  readonly offset: number;
  readonly limit: number;
  readonly total: number;
  readonly page: number;
  readonly pages: number;
}

export const paginated = (offset: number, limit: number, total: number): Pagination => ({
  offset,
  limit,
  total,
  page: Math.floor(offset / limit) + 1,
  pages: Math.ceil(total / limit),
});
