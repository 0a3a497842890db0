/**
 * The detail of a refused write, for clients: the store names the place by its own paths (`operations/0/set/ogit~1name: is too long`), of which
 * they know the attribute alone. Undefined where nothing is left to say.
 */
export function withoutPlace(detail: string | undefined): string | undefined {
  const found = /^operations\/\d+(?:\/([^:]*))?(?:: ?([\s\S]*))?$/.exec(detail ?? '');
  if (found === null) return detail;
  const [, place = '', text = ''] = found;
  if (text === '') return undefined;
  const attribute = /^(?:attributes|set|unset)\/([^/]+)/.exec(place)?.[1];
  return attribute === undefined ? text : `attribute ${attribute.replaceAll('~1', '/').replaceAll('~0', '~')}: ${text}`;
}
