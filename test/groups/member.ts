// One member of a group, in a process of its own so that it can be killed and stopped. Connects again whenever its socket ends, to the next
// of its ports. Prints lines of JSON on standard output: { "e": [n, element, ns] } for an event (n: the writer's number), { "p": ns } for a ping that its stack answers,
// { "c": code } for a socket that ended. Times are of the machine's monotonic clock, which all processes share.
import { WebSocket } from 'ws';

/** The options from torture.ts, as JSON in its first argument. */
export interface MemberOptions {
  readonly ports: readonly number[];
  readonly group: string;
  readonly type: string;
  readonly token: string;
}

const { ports, group, type, token } = JSON.parse(process.argv[2] ?? '{}') as MemberOptions;
let attempt = 0;
let leaving = false;
let socket: WebSocket | undefined;

const say = (what: object): void => {
  process.stdout.write(`${JSON.stringify(what)}\n`);
};

function connect(): void {
  const port = ports[attempt % ports.length];
  attempt += 1;
  const ws = new WebSocket(
    `ws://127.0.0.1:${port}/api/events-ws/6.2/?groupId=${group}&offset=smallest`,
    ['events-1.0.0', `token-${token}`],
    {
      perMessageDeflate: false,
      handshakeTimeout: 2000,
    },
  );
  socket = ws;
  ws.on('open', () => {
    const filter = { 'filter-id': 'f', 'filter-type': 'jfilter', 'filter-content': `(element.ogit/_type = ${type})` };
    ws.send(JSON.stringify({ type: 'register', args: filter }));
  });
  ws.on('message', (data) => {
    const event = JSON.parse(String(data)) as { id?: string; body?: { readonly '/n'?: string } };
    if (event.id !== undefined) say({ e: [Number(event.body?.['/n']), event.id, String(process.hrtime.bigint())] });
  });
  ws.on('ping', () => say({ p: String(process.hrtime.bigint()) }));
  ws.on('error', () => {});
  ws.on('close', (code) => {
    say({ c: code });
    if (leaving) process.exit(0);
    setTimeout(connect, 200);
  });
}

connect();
// The end of standard input means to leave.
process.stdin.on('end', () => {
  leaving = true;
  if (socket === undefined || socket.readyState !== WebSocket.OPEN) process.exit(0);
  socket.close(1000);
});
process.stdin.resume();
