// `npm run token [-- --user NAME]`: prints an access token for trials. The administrator's password is taken from the data folder;
// other passwords from POLYEDGE_PASSWORD.
import { parseArgs } from 'node:util';
import { adminPassword, logIn } from './running-system.ts';

const administrator = process.env.POLYEDGE_ADMIN_USERNAME ?? 'admin';
try {
  const { user = administrator } = parseArgs({ options: { user: { type: 'string' } } }).values;
  const password = user === administrator ? adminPassword() : process.env.POLYEDGE_PASSWORD;
  if (password === undefined) throw new Error(`Set POLYEDGE_PASSWORD to the password of ${user}.`);
  console.log(await logIn(user, password));
} catch (error) {
  console.error(`polyedge: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
