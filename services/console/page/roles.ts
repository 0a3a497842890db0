/** `hiro: reader, admin` a line, as roles by protocol; undefined where a line is something else. */
export function rolesFrom(text: string): Record<string, string[]> | undefined {
  const roles: Record<string, string[]> = {};
  for (const line of text.split('\n').map((one) => one.trim())) {
    if (line === '') continue;
    const match = /^([a-z][a-z-]*)\s*:\s*(.*)$/.exec(line);
    if (match === null) return undefined;
    roles[match[1] ?? ''] = (match[2] ?? '')
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
  }
  return roles;
}
