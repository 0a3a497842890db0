/** The five protocols as one pane each: how to connect, what to send, what must be answered. Pure; contains no token. */

export interface Preset {
  readonly name: string;
  /** The edge whose address it needs. */
  readonly edge: string;
  readonly hint: string;
  /** Appended to the edge's address. */
  readonly path: string;
  /** Sub-protocols; `TOKEN` stands for the access token. */
  readonly offers: readonly string[];
  /** Sent automatically when the socket opens. Its answer begins with the same text, and nothing else may be sent before it. */
  readonly greeting?: string;
  readonly examples: readonly { readonly label: string; readonly frame: string }[];
  /** The automatic answer of the pane that keeps the connection alive. */
  reply?(frame: string): string | undefined;
  /** Sent automatically every second. */
  readonly beat?: string;
  /** Keep-alive frames, which are not shown. */
  isNoise?(frame: string): boolean;
}

export const TOKEN = 'TOKEN';

/** Engine.IO: a ping is answered with a pong. */
const engine = {
  reply: (frame: string) => (frame === '2' ? '3' : undefined),
  isNoise: (frame: string) => frame === '2' || frame === '3',
};

export const PRESETS: readonly Preset[] = [
  {
    name: 'HIRO events',
    edge: 'hiro',
    hint: 'Registers a filter, then shows every event that fits it.',
    path: '/api/events-ws/6.2/',
    offers: ['events-1.0.0', `token-${TOKEN}`],
    examples: [
      {
        label: 'Register a filter',
        frame:
          '{"type":"register","args":{"filter-id":"notes","filter-type":"jfilter","filter-content":"(element.ogit/_type = ogit/Note)"}}',
      },
      { label: 'Unregister it', frame: '{"type":"unregister","args":{"filter-id":"notes"}}' },
    ],
  },
  {
    name: 'HIRO graph',
    edge: 'hiro',
    hint: 'One request, one answer, by id.',
    path: '/api/graph-ws/6.1/',
    offers: ['graph-2.0.0', `token-${TOKEN}`],
    examples: [
      { label: 'Create a note', frame: '{"id":"1","type":"create","headers":{"ogit/_type":"ogit/Note"},"body":{"ogit/name":"hello"}}' },
      {
        label: 'Search',
        frame: '{"id":"2","type":"query","headers":{"type":"vertices"},"body":{"query":"ogit\\\\/_type:\\"ogit/Note\\"","limit":5}}',
      },
    ],
  },
  {
    name: 'Saga',
    edge: 'saga',
    hint: 'Socket.IO as it travels: 42 is an event, the number behind it asks for an ack.',
    path: '/socket.io/?EIO=4&transport=websocket',
    offers: [],
    greeting: '40',
    examples: [
      { label: 'Log in', frame: `420["authentication",{"accessToken":"${TOKEN}"}]` },
      { label: 'Join the globals', frame: '421["/globals/join"]' },
    ],
    ...engine,
  },
  {
    name: 'Good Uncle',
    edge: 'gooduncle',
    hint: 'The pane sends the character that keeps the session alive; beats are not shown.',
    path: '/',
    offers: [],
    examples: [
      { label: 'Log in', frame: `{"type":"upgrade","token":"${TOKEN}","ref":1}` },
      { label: 'Subscribe', frame: '{"type":"subscribe","topic":"products","ref":2}' },
      { label: 'Create', frame: '{"type":"create","topic":"products","params":{"name":"bread","price":2},"ref":3}' },
    ],
    beat: '`',
    isNoise: (frame) => frame.length === 1,
  },
  {
    name: 'SPACE',
    edge: 'space',
    hint: 'Pricing events of the namespace /pricings, over Socket.IO.',
    path: '/events/?EIO=4&transport=websocket',
    offers: [],
    greeting: '40/pricings,',
    examples: [{ label: 'Join again', frame: '40/pricings,' }],
    ...engine,
  },
  {
    name: 'JSSocket',
    edge: 'jssocket',
    hint: 'A page of Jaseci. It is answered when a core is connected.',
    path: '/',
    offers: [],
    examples: [{ label: 'Connect as a client', frame: '{"type":"client_connect","data":{}}' }],
  },
];

/** The address of a pane. */
export const socketUrl = (edge: string, path: string): string => `${edge.replace(/^http/, 'ws').replace(/\/$/, '')}${path}`;

export const withToken = (text: string, token: string): string => text.replaceAll(TOKEN, token);

/** The same outside of this page: a line for wscat, and a program. `TOKEN` is not replaced, so that no secret is copied by accident. */
export function elsewhere(preset: Preset, url: string, frame: string): string {
  const quoted = `'${frame.replaceAll("'", "'\\''")}'`;
  const offers = preset.offers.map((offer) => ` -s ${offer}`).join('');
  const greeting = preset.greeting === undefined ? '' : ` -x '${preset.greeting}'`;
  const program = [
    `const socket = new WebSocket(${JSON.stringify(url)}${preset.offers.length === 0 ? '' : `, ${JSON.stringify(preset.offers)}`});`,
    'socket.onmessage = ({ data }) => {',
    '  console.log(data);',
    ...(preset.greeting === undefined
      ? []
      : [`  if (data.startsWith(${JSON.stringify(preset.greeting)})) socket.send(${JSON.stringify(frame)});`]),
    '};',
    'socket.onopen = () => {',
    `  socket.send(${JSON.stringify(preset.greeting ?? frame)});`,
    '};',
  ];
  return [
    `# ${TOKEN}: the output of "npm run -s token"`,
    `wscat -c ${JSON.stringify(url)}${offers}${greeting} -x ${quoted} -w 10`,
    '',
    ...program,
  ].join('\n');
}
