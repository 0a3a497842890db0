/** A message of the fan-out: `b`, eight digits of its number, and text up to the length of `text`. */
export const numbered = (number: number, text: string): string => `${idOf(number)}${text.slice(9)}`;

/** `b` and eight digits: also the id of the element whose change carries the number. */
export const idOf = (number: number): string => `b${String(number).padStart(8, '0')}`;
