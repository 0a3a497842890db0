/**
 * The bound values of one statement. Every value is sent as text and cast in the statement, so the driver's own conversion of
 * JavaScript values is never used.
 */
export class SqlParameters {
  readonly #values: string[] = [];
  readonly #numbers = new Map<string, number>();

  get values(): readonly string[] {
    return this.#values;
  }

  /** Binds a text and returns its placeholder. Equal texts share a placeholder. */
  text(value: string): string {
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.#values.push(value);
      this.#numbers.set(value, number);
    }
    return `$${number}::text`;
  }

  json(text: string): string {
    return `${this.text(text)}::jsonb`;
  }

  numeric(value: number | bigint | string): string {
    return `${this.text(typeof value === 'string' ? value : JSON.stringify(value))}::numeric`;
  }

  /** A number to compare with a bigint column; as bigint if it is an integer, because only then the column's index can be used. */
  integer(value: number | bigint): string {
    return Number.isSafeInteger(value) ? `${this.text(JSON.stringify(value))}::bigint` : this.numeric(value);
  }

  float(value: number): string {
    return `${this.text(JSON.stringify(value))}::float8`;
  }

  floats(values: readonly number[]): string {
    return `${this.text(`{${values.map((value) => JSON.stringify(value)).join(',')}}`)}::float8[]`;
  }

  /** A set of texts for `= any (…)`. */
  texts(values: readonly string[]): string {
    return `any(array(select jsonb_array_elements_text(${this.json(JSON.stringify(values))})))`;
  }
}
