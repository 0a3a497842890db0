import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Opening } from '@polyedge/session/session';
import { runTranscript, TRANSCRIPT_EPOCH } from '@polyedge/testkit/transcript';
import { eventsProtocol, graphProtocol } from '../src/protocol/protocol.ts';

const opening: Partial<Opening> = {
  credential: {
    ok: true,
    value: {
      account: 'acc1',
      tenant: 'acme',
      username: 'ann',
      app: 'a',
      roles: {},
      defaultScope: 'scope1',
      scopes: ['scope2'],
      session: 's',
      issuedAt: TRANSCRIPT_EPOCH,
      expiresAt: TRANSCRIPT_EPOCH + 600_000,
    },
  },
};

const graph = graphProtocol({ maxInFlight: 64, tokenGraceMs: 10_000, names: 'lenient' });
const events = eventsProtocol({ tokenGraceMs: 10_000 });
const read = (name: string): string => readFileSync(join(import.meta.dirname, 'transcripts', `${name}.txt`), 'utf8');

test('the calls of the npm client go over graph-ws as they always did', () => {
  runTranscript(read('js-client-6.1-graph'), graph, { opening });
});

test('the event stream of the npm client goes as it always did', () => {
  runTranscript(read('js-client-6.1-events'), events, { opening });
});

test('the event stream of the Python client goes as it always did', () => {
  runTranscript(read('python-client-events'), events, { opening });
});

for (const name of ['java-client-events', 'java-2-client-events', 'elixir-client-events', 'group-membership']) {
  test(`what ${name.replaceAll('-', ' ')} says goes as it always did`, () => {
    runTranscript(read(name), events, { opening });
  });
}

for (const name of ['java-2-client-graph', 'elixir-client-graph']) {
  test(`what ${name.replaceAll('-', ' ')} says goes as it always did`, () => {
    runTranscript(read(name), graph, { opening });
  });
}
