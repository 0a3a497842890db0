/** A page that shows events as they arrive. Its script is the library's own browser bundle, served together with the sockets. */
import { createHash } from 'node:crypto';

const script = `
const state = document.getElementById('state');
const list = document.getElementById('events');
const base = location.pathname.replace(/\\/api\\/v1\\/events\\/client\\/?$/, '');
let socket;
function connect(apiKey) {
  socket?.disconnect();
  socket = io(location.origin + '/pricings', { path: base + '/events', forceNew: true, ...(apiKey ? { auth: { apiKey } } : {}) });
  socket.on('connect', () => { state.textContent = 'connected'; });
  socket.on('disconnect', (reason) => { state.textContent = 'disconnected: ' + reason; });
  socket.on('connect_error', (error) => { state.textContent = 'cannot connect: ' + error.message; });
  socket.on('message', (event) => {
    const item = document.createElement('li');
    item.textContent = new Date().toLocaleTimeString() + ' ' + JSON.stringify(event);
    list.prepend(item);
    while (list.children.length > 200) list.lastChild.remove();
  });
}
document.getElementById('key').addEventListener('submit', (submitted) => {
  submitted.preventDefault();
  connect(new FormData(submitted.target).get('apiKey'));
});
connect('');
`;

const style =
  'body{font:16px/1.5 system-ui,sans-serif;margin:2rem;max-width:60rem}li{font-family:ui-monospace,monospace;overflow-wrap:anywhere}';

const hash = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

export const testerPage = {
  html: `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Pricing events</title>
<style>${style}</style>
</head>
<body>
<h1>Pricing events</h1>
<p>State: <strong id="state">connecting</strong></p>
<form id="key"><label>Only those of an API key: <input name="apiKey" type="password" autocomplete="off"></label> <button>Connect</button></form>
<ol id="events" reversed></ol>
<script src="../../../events/socket.io.min.js"></script>
<script>${script}</script>
</body>
</html>
`,
  /** Only this page's own scripts and styles are allowed. */
  policy: `default-src 'none'; script-src 'self' ${hash(script)}; style-src ${hash(style)}; connect-src 'self' ws: wss:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`,
} as const;
