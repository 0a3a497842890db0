/** The login page for an application: plain HTML without scripts, and headers that forbid any other content. */
import { createHash } from 'node:crypto';

const STYLE =
  'body{font-family:sans-serif;max-width:22rem;margin:4rem auto;padding:0 1rem}label{display:block;margin:1rem 0}input{width:100%;padding:.5rem;box-sizing:border-box}button{padding:.5rem 1rem}';
const STYLE_HASH = createHash('sha256').update(STYLE).digest('base64');

/** @param leadsTo the address that a login redirects to, which browsers treat as the form's target */
export function pageHeaders(leadsTo: string): Readonly<Record<string, string>> {
  const { origin, protocol } = new URL(leadsTo);
  // Native applications use their own schemes, whose addresses have no origin.
  const target = origin === 'null' ? protocol : origin;
  return {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self' ${target}; base-uri 'none'; frame-ancestors 'none'`,
    'x-frame-options': 'DENY',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  };
}

/** The form with the application's parameters; `problem` explains why the last attempt failed. */
export function loginPage(application: string, hidden: Readonly<Record<string, string>>, problem?: string): string {
  const fields = Object.entries(hidden).map(([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`);
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Log in</title><style>${STYLE}</style></head>
<body>
<h1>Log in</h1>
<p>${escaped(application === '' ? 'An application' : application)} asks for access to your account.</p>
${problem === undefined ? '' : `<p role="alert">${escaped(problem)}</p>\n`}<form method="post">
${fields.join('\n')}
<label>User name <input name="username" autocomplete="username" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button type="submit">Log in</button>
</form>
</body>
</html>
`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text: string): string => text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
