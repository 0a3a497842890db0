/** Distinguishes public from internal addresses: a URL supplied by a client must not reach the internal network (SSRF). */
import { BlockList, isIP } from 'node:net';

/** Special-purpose ranges of RFC 6890 and its successors: not reachable from the Internet, or not meant for one host. */
const RANGES = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
];

const blocked4 = new BlockList();
for (const range of RANGES) {
  const [network = '', bits = ''] = range.split('/');
  blocked4.addSubnet(network, Number(bits), 'ipv4');
}
/** In IPv6 only global unicast is public, except documentation ranges, tunnels and translations to IPv4. */
const public6 = new BlockList();
public6.addSubnet('2000::', 3, 'ipv6');
const blocked6 = new BlockList();
for (const [network, bits] of [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
] as const) {
  blocked6.addSubnet(network, bits, 'ipv6');
}

/** Whether a text is an address of the public Internet. False for anything that is not an address. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !blocked4.check(address, 'ipv4');
    case 6:
      return public6.check(address, 'ipv6') && !blocked6.check(address, 'ipv6');
    default:
      return false;
  }
}
