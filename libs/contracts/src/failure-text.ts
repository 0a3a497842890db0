/**
 * The detail of a rejected write, for clients: the store locates a fault by its own paths (`operations/0/set/ogit~1name: is too long`), of which
 * clients know only the attribute. Undefined if nothing is left.
 */
export function withoutPlace(detail: string | undefined): string | undefined {
  const found = /^operations\/\d+(?:\/([^:]*))?(?:: ?([\s\S]*))?$/.exec(detail ?? '');
  if (found === null) return detail;
  const [, place = '', text = ''] = found;
  if (text === '') return undefined;
  const attribute = /^(?:attributes|set|unset)\/([^/]+)/.exec(place)?.[1];
  return attribute === undefined ? text : `attribute ${attribute.replaceAll('~1', '/').replaceAll('~0', '~')}: ${text}`;
}
