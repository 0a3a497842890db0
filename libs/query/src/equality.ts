import { isList, isObject, type Json } from './json.ts';

/** Deep JSON equality: lists in order, objects by their own keys in any order, `-0` equal to `0`. */
export function equalJson(left: Json, right: Json): boolean {
  if (left === right) return true;
  if (isList(left)) {
    return isList(right) && left.length === right.length && left.every((element, at) => equalJson(element, right[at] ?? null));
  }
  if (!isObject(left) || !isObject(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => Object.hasOwn(right, key) && equalJson(left[key] ?? null, right[key] ?? null));
}
