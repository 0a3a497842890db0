/** The address of a service. */
export type Address = { readonly name: string; readonly url: string };

/** The text at the end of `npm start`: commands to paste that show a live event. Empty without an edge. */
export function firstSuccess(addresses: readonly Address[]): string {
  const hiro = addresses.find(({ name }) => name === 'hiro-edge');
  if (hiro === undefined) return '';
  // Node's programs use the same variable.
  const trust = hiro.url.startsWith('https:') ? ' --cacert "$NODE_EXTRA_CA_CERTS"' : '';
  return `
  See a live event: in a second terminal, in this folder,
    npm run watch
  and in a third:
    curl -s${trust} -X POST ${hiro.url}/api/graph/7.4/new/ogit%2FNote -H "Authorization: Bearer $(npm run -s token)" -H 'Content-Type: application/json' -d '{"ogit/name":"hello"}'
`;
}
