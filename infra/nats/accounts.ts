/** The users of our NATS server, one per service, as lines of its configuration. Permissions come from the contracts alone. */
import { busUse, permissionsOf } from '@polyedge/contracts/permissions';

/** The services that have a user; it is named after the service. */
export const natsUsers: readonly string[] = Object.keys(busUse);

/** The variable from which `users.conf` takes a service's password: `NATS_PASSWORD_HIRO_EDGE`. */
const passwordVariable = (service: string): string => `NATS_PASSWORD_${service.replaceAll('-', '_').toUpperCase()}`;

/**
 * One account with a user per service. A subject that a user's lists do not contain is refused.
 * @param password of a service, as the configuration language writes it: a quoted text or a `$VARIABLE`.
 */
export function natsAccounts(password: (service: string) => string): string {
  const list = (indent: string, subjects: readonly string[]) => subjects.map((subject) => `${indent}"${subject}"\n`).join('');
  const users = natsUsers.map((service) => {
    const { publish, subscribe } = permissionsOf(service);
    return `      {
        user: "${service}"
        password: ${password(service)}
        permissions: {
          publish: { allow: [
${list('            ', publish)}          ] }
          subscribe: { allow: [
${list('            ', subscribe)}          ] }
        }
      }
`;
  });
  return `accounts: {\n  POLYEDGE: {\n    users: [\n${users.join('')}    ]\n  }\n}\n`;
}

/** The text of `infra/nats/users.conf`. */
export const usersConf = (): string =>
  `# Written by "node tools/asyncapi.ts" from libs/contracts/src/permissions.ts. Each password is that of the variable, which has to be
# a text that begins with a letter: the server reads its value as part of this file.
${natsAccounts((service) => `$${passwordVariable(service)}`)}`;
