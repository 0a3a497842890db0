/** Bodies of HTTP scripts on the bus: UTF-8 text as it is, other bytes in base64. */
export function encodeBody(bytes: Buffer): { readonly body: string; readonly encoding: 'utf8' | 'base64' } {
  const text = bytes.toString('utf8');
  return Buffer.from(text, 'utf8').equals(bytes)
    ? { body: text, encoding: 'utf8' }
    : { body: bytes.toString('base64'), encoding: 'base64' };
}
