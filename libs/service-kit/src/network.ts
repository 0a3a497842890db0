/** The network of an address: the part that a client cannot choose freely. */
import { isIPv6 } from 'node:net';

/** An IPv6 host has a whole /64 of addresses; an IPv4 host has one, which may be written as IPv6. Other texts stay as they are. */
export function networkOf(address: string): string {
  const [plain = ''] = address.split('%');
  if (!isIPv6(plain)) return address;
  // The canonical form, without an embedded IPv4 address.
  const text = new URL(`http://[${plain}]/`).hostname.slice(1, -1);
  const [before = '', after] = text.split('::');
  const words = (part: string | undefined): string[] => (part === undefined || part === '' ? [] : part.split(':'));
  const [left, right] = [words(before), words(after)];
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  if (all.slice(0, 5).every((word) => word === '0') && all[5] === 'ffff') {
    return [all[6], all[7]].flatMap((word) => [Number.parseInt(word ?? '0', 16) >> 8, Number.parseInt(word ?? '0', 16) & 255]).join('.');
  }
  return `${all.slice(0, 4).join(':')}::/64`;
}
