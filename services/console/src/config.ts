import { trustProxy } from '@polyedge/edge-kit/edge-settings';
import { commonSettings, listenerTlsSettings } from '@polyedge/service-kit/common-settings';
import { boolean, integer, text } from '@polyedge/service-kit/settings';

/** Every setting of the console: its own begin with `CONSOLE_`. */
export const settings = {
  ...commonSettings({ port: 5400 }),
  ...listenerTlsSettings,
  tenant: text({ default: 'default', doc: 'The tenant whose administrators may log in here, and whose data the page shows.' }),
  edges: text({
    optional: true,
    pattern: /^\w[\w-]*=https?:\/\/[\w.:[\]-]+(,\s*\w[\w-]*=https?:\/\/[\w.:[\]-]+)*$/,
    form: 'names and addresses, such as hiro=https://hiro.example.org,saga=https://saga.example.org',
    doc: 'The addresses of the edges for browsers, used by the page `Try`; the page may connect only to these.',
  }),
  secureCookies: boolean({
    default: true,
    localDefault: false,
    insecure: 'browsers send the session cookie without TLS, too',
    doc: 'Whether browsers send the session cookie over TLS only. Leave it on if the console is reached over TLS, also through a proxy.',
  }),
  maxStreams: integer({
    default: 200,
    min: 1,
    max: 10_000,
    unit: 'streams',
    doc: 'Live streams of all pages together; further ones are answered with 503.',
  }),
  trustProxy,
};

export type ConsoleSettings = typeof settings;

/** The edges that the page may reach, by name. */
export function edgesOf(list: string | undefined): Readonly<Record<string, string>> {
  const entries = (list ?? '').split(',').flatMap((entry) => {
    const at = entry.indexOf('=');
    return at < 1 ? [] : [[entry.slice(0, at).trim(), entry.slice(at + 1).trim()] as const];
  });
  return Object.fromEntries(entries);
}
