import assert from 'node:assert/strict';
import test from 'node:test';
import { graphGet } from '@polyedge/contracts/bus/graph';
import { busCall } from '@polyedge/session/call';
import type { Effect, Protocol } from '@polyedge/session/session';
import { runTranscript } from './transcript.ts';

/** Reads the element a message names, answers in JSON, and hangs up after ten silent seconds. */
const protocol: Protocol<string, string, object> = {
  decode: (raw) => (raw === '?' ? { ok: false, problem: 'a question mark' } : { ok: true, value: raw }),
  encode: (frame) => JSON.stringify(frame),
  open: ({ path, credential }) => [
    {
      handle: (input): readonly Effect<object>[] => {
        const idle = { do: 'set-timer', name: 'idle', ms: 10_000 } as const;
        switch (input.kind) {
          case 'frame':
            return [idle, { do: 'request', id: input.frame, call: busCall(graphGet, { tenant: 't' }, { ids: [input.frame] }) }];
          case 'undecodable':
            return [{ do: 'send', frame: { problem: input.problem } }];
          case 'reply':
            return [
              { do: 'send', frame: { id: input.id, ok: input.outcome.ok, failure: input.outcome.ok ? null : input.outcome.failure } },
            ];
          case 'timer':
            return [{ do: 'close', code: 1001, reason: 'idle' }];
          case 'subscribed':
            return [{ do: 'send', frame: { seq: input.seq, epoch: input.epoch } }];
          case 'drain':
            return [{ do: 'drop' }];
          default:
            return [];
        }
      },
    },
    [
      { do: 'send', frame: { path, known: credential?.ok === true } },
      { do: 'subscribe', id: 'all of it', to: { tenant: 't' } },
    ],
  ],
};

const OPENING = `
# opening
@ open {"path":"/x","credential":{"ok":true,"value":{}}}
< {"known":true,"path":"/x"}
! subscribe "all of it" {"tenant":"t"}
`;

test('a transcript replays messages, the bus and time, and compares JSON as JSON', () => {
  runTranscript(
    `${OPENING}
    > n1
    ! request n1 pe.cmd.graph.get.v1.t { "ids": ["n1"] }
    ! reply n1 ok {"elements":[]}
    < {"failure":null, "ok":true, "id":"*"}
    > n2
    ! request n2 *
    ! reply n2 failed not-found there is no n2
    < {"id":"n2","ok":false,"failure":{"code":"not-found","detail":"there is no n2"}}
    > ?
    < {"problem":"a question mark"}
    ! subscribed "all of it" 17 e1
    < {"seq":17,"epoch":"e1"}
    @ 9999
    @ 1
    ! close 1001 idle
    ! drain
    ! drop`,
    protocol,
  );
});

test('differences, missing and surplus effects are reported with their line', () => {
  const fails = (text: string, problem: RegExp) => assert.throws(() => runTranscript(`${OPENING}${text}`, protocol), problem);
  fails('> ?\n< {"problem":"another"}', /line 7: .*another.*\nthe session did\n {2}< \{"problem":"a question mark"\}/s);
  fails('> ?', /after the last line\nthe session also did/);
  fails('> ?\n@ 5', /line 7: @ 5\nthe session also did/);
  fails('< {}', /line 6: < \{\}\nthe session did nothing/);
  fails('what', /not a line of a transcript/);
  fails('> ?\n< {"problem":"a question mark","more":1}', /the session did/);
});
