/** `jssocket hash`: reads a secret from the first line of standard input and prints the hex of its bcrypt hash, for `SOCKET_AUTH`. */
import { createInterface } from 'node:readline/promises';
import { authOf } from './server-secret.ts';

const lines = createInterface({ input: process.stdin, terminal: false });
for await (const secret of lines) {
  if (secret === '') break;
  process.stdout.write(`${await authOf(Buffer.from(secret))}\n`);
  process.exit(0);
}
process.stderr.write('jssocket hash: no secret on standard input\n');
process.exit(1);
