/** The port's promises, asked of both implementations. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { done, failed } from '@polyedge/contracts/errors';
import { trialEcho as echo, trialHappened as happened } from '@polyedge/contracts/testing/trial-channels';
import { startNats } from '@polyedge/testkit/servers/nats';
import { PATIENCE_MS, until } from '@polyedge/testkit/until';
import type { Bus } from '../src/bus.ts';
import { busOf } from '../src/journal-bus.ts';
import { LocalNetwork } from '../src/local-bus.ts';
import { connectNatsBus } from '../src/nats-bus.ts';

const subject = echo.subject({ tenant: 'acme.com' });
const timeoutMs = 5_000;
/** A time-out that no test waits for. */
const LONG_MS = 10 * PATIENCE_MS;

interface World {
  connect(service: string): Promise<Bus>;
  end(): Promise<void>;
}

const worlds: Readonly<Record<string, () => Promise<World>>> = {
  local: async () => {
    const network = new LocalNetwork();
    return { connect: async () => network.connect(), end: async () => {} };
  },
  nats: async () => {
    const nats = await startNats();
    return {
      connect: async (service) => {
        const bus = await connectNatsBus({ url: nats.url, service });
        if (!bus.ok) throw new Error(bus.failure.detail);
        return bus.value;
      },
      end: () => nats.stop(),
    };
  },
};

for (const [name, start] of Object.entries(worlds)) {
  describe(`the ${name} bus`, () => {
    let world: World;
    let asker: Bus;
    let first: Bus;
    let second: Bus;

    before(async () => {
      world = await start();
      asker = await world.connect('asker');
      first = await world.connect('answerer');
      second = await world.connect('answerer');
    });
    after(async () => {
      for (const bus of [asker, first, second]) await bus?.close();
      await world?.end();
    });

    test('a request reaches one responder with its tenant and deadline, and its reply is returned', async () => {
      const seen: unknown[] = [];
      const responder = first.respond(echo, async (body, context) => {
        seen.push(
          context.tenant,
          context.subject,
          context.bytes,
          context.deadline > performance.now() && context.deadline < performance.now() + 2 * timeoutMs,
        );
        return done({ text: body.text, by: 'first' });
      });
      await first.flush(timeoutMs);
      const outcome = await asker.request(echo, subject, { text: 'hä' }, { timeoutMs });
      assert.deepEqual(outcome, done({ text: 'hä', by: 'first' }));
      assert.deepEqual(seen, ['acme.com', subject, Buffer.byteLength('{"text":"hä"}'), true]);
      await responder.stop();
    });

    test('a responder has the text of a request, and may write its replies itself, also behind the bus of a journal', async () => {
      for (const bus of [first, busOf(first, 'other')]) {
        const responder = bus.respond(echo, async (_body, { text }) => done({ text, by: 'first' }), {
          encode: ({ text }) => `{"text":${JSON.stringify(`${text}!`)},"by":"itself"}`,
        });
        await first.flush(timeoutMs);
        const outcome = await asker.request(echo, subject, { text: 'hä' }, { timeoutMs });
        assert.deepEqual(outcome, done({ text: '{"text":"hä"}!', by: 'itself' }));
        await responder.stop();
      }
    });

    test("the responder's failure arrives with code, detail and retry time", async () => {
      const responder = first.respond(echo, async () => ({
        ok: false,
        failure: { code: 'limited', detail: 'slow down', retryAfterMs: 70 },
      }));
      await first.flush(timeoutMs);
      const outcome = await asker.request(echo, subject, { text: '' }, { timeoutMs });
      assert.deepEqual(outcome, { ok: false, failure: { code: 'limited', detail: 'slow down', retryAfterMs: 70 } });
      await responder.stop();
    });

    test('a responder of one tenant is asked only for that tenant', async () => {
      const other = echo.subject({ tenant: 'other' });
      const ask = (on: string) => asker.request(echo, on, { text: 'x' }, { timeoutMs });
      const [one, two] = (['acme.com', 'other'] as const).map((tenant) =>
        first.respond(echo, async ({ text }) => done({ text, by: tenant }), { only: { tenant } }),
      );
      await first.flush(timeoutMs);
      for (let round = 0; round < 5; round += 1) {
        assert.deepEqual(await ask(subject), done({ text: 'x', by: 'acme.com' }));
        assert.deepEqual(await ask(other), done({ text: 'x', by: 'other' }));
      }
      await two?.stop();
      const unanswered = await ask(other);
      assert.equal(unanswered.ok ? undefined : unanswered.failure.code, 'unavailable');
      await one?.stop();
    });

    test('a request without responders is unavailable at once', { timeout: PATIENCE_MS }, async () => {
      const outcome = await asker.request(echo, subject, { text: '' }, { timeoutMs: LONG_MS });
      assert.equal(outcome.ok ? 'ok' : outcome.failure.code, 'unavailable');
    });

    test('a request that is not answered in time, or whose caller aborts it, is unavailable', async () => {
      const end = Promise.withResolvers<void>();
      const responder = first.respond(echo, async () => {
        await end.promise;
        return done({ text: '', by: '' });
      });
      await first.flush(timeoutMs);
      const late = await asker.request(echo, subject, { text: '' }, { timeoutMs: 100 });
      assert.deepEqual(late, failed('unavailable', 'no answer in time'));
      const abort = new AbortController();
      const given = asker.request(echo, subject, { text: '' }, { timeoutMs, signal: abort.signal });
      abort.abort();
      assert.deepEqual(await given, failed('unavailable', 'the caller gave up'));
      end.resolve();
      await responder.stop();
    });

    test('a body that breaks the schema is invalid, a thrown error and a wrong reply are internal', async () => {
      const responder = first.respond(echo, async (body) => {
        if (body.text === 'throw') throw new Error('a bug');
        // As a responder of another version might.
        return done(JSON.parse('{"text":1}'));
      });
      await first.flush(timeoutMs);
      const codes = [];
      for (const body of [{ text: 1 }, { text: 'throw' }, { text: 'wrong' }]) {
        const outcome = await asker.request(echo, subject, body, { timeoutMs });
        codes.push(outcome.ok ? 'ok' : outcome.failure.code);
      }
      assert.deepEqual(codes, ['invalid', 'internal', 'internal']);
      await responder.stop();
    });

    test('a reply of many MiB arrives whole; one over 64 MiB, and a request over the limit, are too large', async () => {
      const responder = first.respond(echo, async (body) => done({ text: 'ü'.repeat(body.times ?? 0), by: 'first' }));
      await first.flush(timeoutMs);
      const large = await asker.request(echo, subject, { text: '', times: 6_000_000 }, { timeoutMs: 20_000 });
      assert.equal(large.ok && large.value.text.length, 6_000_000);
      const over = await asker.request(echo, subject, { text: '', times: 34_000_000 }, { timeoutMs: 20_000 });
      assert.equal(over.ok ? 'ok' : over.failure.code, 'too-large');
      const question = await asker.request(echo, subject, { text: 'x'.repeat(8 * 1024 * 1024) }, { timeoutMs });
      assert.equal(question.ok ? 'ok' : question.failure.code, 'too-large');
      await responder.stop();
    });

    test('a responder that leaves gets no more requests, one that joins again does, and stop waits for those in progress', async () => {
      const held = Promise.withResolvers<void>();
      const at = Promise.withResolvers<void>();
      const one = first.respond(echo, async () => {
        at.resolve();
        await held.promise;
        return done({ text: '', by: 'first' });
      });
      await first.flush(timeoutMs);
      const slow = asker.request(echo, subject, { text: '' }, { timeoutMs });
      await at.promise;
      one.leave();
      const two = second.respond(echo, async () => done({ text: '', by: 'second' }));
      await second.flush(timeoutMs);
      await first.flush(timeoutMs);
      for (let n = 0; n < 10; n += 1) {
        const outcome = await asker.request(echo, subject, { text: '' }, { timeoutMs });
        assert.equal(outcome.ok && outcome.value.by, 'second');
      }
      let stopped = false;
      const stopping = one.stop().then(() => {
        stopped = true;
      });
      await first.flush(timeoutMs);
      assert.equal(stopped, false);
      held.resolve();
      await stopping;
      assert.equal((await slow).ok, true);
      await two.stop();
      one.join();
      await first.flush(timeoutMs);
      const again = await asker.request(echo, subject, { text: '' }, { timeoutMs });
      assert.equal(again.ok && again.value.by, 'first');
      await one.stop();
    });

    test('requests in flight while a responder leaves are all answered', async () => {
      const one = first.respond(echo, async () => done({ text: '', by: 'first' }));
      const two = second.respond(echo, async () => done({ text: '', by: 'second' }));
      await first.flush(timeoutMs);
      await second.flush(timeoutMs);
      const asked = Array.from({ length: 200 }, () => asker.request(echo, subject, { text: '' }, { timeoutMs }));
      await asker.flush(timeoutMs);
      one.leave();
      const outcomes = await Promise.all(asked);
      assert.equal(outcomes.filter((outcome) => outcome.ok).length, 200);
      await one.stop();
      await two.stop();
    });

    test("one connection's messages arrive in order over all subjects, and as values of their own", async () => {
      const heard: unknown[] = [];
      const sub = asker.subscribe(happened, happened.pattern({}), (body, on, bytes) => heard.push([body.n, on, bytes]));
      await asker.flush(timeoutMs);
      const body = { n: 0 };
      first.publish(happened, { key: 'a' }, body);
      body.n = 1;
      first.publish(happened, { key: 'b.*' }, body);
      assert.equal(first.publishText(happened.subject({ key: 'c' }), '{"n":2}'), true);
      await until('three are heard', () => heard.length === 3);
      assert.deepEqual(heard, [
        [0, happened.subject({ key: 'a' }), 7],
        [1, happened.subject({ key: 'b.*' }), 7],
        [2, happened.subject({ key: 'c' }), 7],
      ]);
      sub.unsubscribe();
    });

    test('nothing is received after unsubscribe, and a pattern receives only matching subjects', async () => {
      const heard: number[] = [];
      const sub = asker.subscribe(happened, happened.pattern({ key: 'a' }), (body) => {
        heard.push(body.n);
        if (body.n === 2) sub.unsubscribe();
      });
      const all: number[] = [];
      const other = asker.subscribe(happened, happened.pattern({}), (body) => all.push(body.n));
      await asker.flush(timeoutMs);
      for (const [n, key] of ['a', 'b', 'a', 'a', 'z'].entries()) first.publish(happened, { key }, { n });
      await until('the last one is heard', () => all.includes(4));
      assert.deepEqual(heard, [0, 2]);
      other.unsubscribe();
    });

    test('a message that is not JSON or violates the schema is dropped, and an exception of a handler affects no other', async () => {
      const heard: number[] = [];
      const sub = asker.subscribe(happened, happened.pattern({ key: 'd' }), (body) => {
        heard.push(body.n);
        if (body.n === 1) throw new Error('a bug');
      });
      await asker.flush(timeoutMs);
      for (const text of ['{', '{"n":"x"}', '{"n":1}', '{"n":2}']) first.publishText(happened.subject({ key: 'd' }), text);
      await until('the second one is heard', () => heard.includes(2));
      assert.deepEqual(heard, [1, 2]);
      sub.unsubscribe();
    });

    test('a body that cannot be written as JSON is the failure of its own message, as a request, a reply and an event', async () => {
      let deep: unknown = [];
      for (let level = 0; level < 100_000; level += 1) deep = [deep];
      const failure = { ok: false, failure: { code: 'invalid', detail: 'the message cannot be written as JSON' } };
      assert.deepEqual(await asker.request(echo, subject, { text: '', deep }, { timeoutMs }), failure);
      const responder = first.respond(echo, async ({ text }) => done({ text, by: 'first', ...(text === 'deep' ? { deep } : {}) }));
      await first.flush(timeoutMs);
      assert.deepEqual(await asker.request(echo, subject, { text: 'deep' }, { timeoutMs }), failure);
      const heard: number[] = [];
      const sub = asker.subscribe(happened, happened.pattern({ key: 'e' }), ({ n }) => heard.push(n));
      await asker.flush(timeoutMs);
      first.publish(happened, { key: 'e' }, { n: 1, ...{ deep } });
      first.publish(happened, { key: 'e' }, { n: 2 });
      await until('the second one is heard', () => heard.includes(2));
      assert.deepEqual(heard, [2]);
      assert.deepEqual(await asker.request(echo, subject, { text: 'fine' }, { timeoutMs }), done({ text: 'fine', by: 'first' }));
      sub.unsubscribe();
      await responder.stop();
    });

    test('integers beyond 2^53 cross the bus exactly, and too deeply nested messages are malformed', async () => {
      const responder = first.respond(echo, async (body) => done({ text: JSON.stringify(body), by: 'first', n: Reflect.get(body, 'n') }));
      await first.flush(timeoutMs);
      const outcome = await asker.request(echo, subject, { text: '', n: 750_727_362_669_608_961n }, { timeoutMs });
      assert.deepEqual(outcome, done({ text: '{"text":"","n":750727362669608961}', by: 'first', n: 750_727_362_669_608_961n }));
      let deep: unknown = [];
      for (let level = 0; level < 200; level += 1) deep = [deep];
      const refused = await asker.request(echo, subject, { text: '', deep }, { timeoutMs });
      assert.equal(refused.ok ? 'ok' : refused.failure.code, 'invalid');
      await responder.stop();
    });

    test('a message over the size limit or with too long a subject is refused, and the connection stays', async () => {
      assert.equal(first.publishText(happened.subject({ key: 'a' }), JSON.stringify('x'.repeat(9 * 1024 * 1024))), false);
      assert.equal(first.publishText(`${happened.subject({ key: 'a' })}${'x'.repeat(5_000)}`, '{"n":1}'), false);
      const outcome = await asker.request(echo, `${subject}${'x'.repeat(5_000)}`, { text: '' }, { timeoutMs });
      assert.equal(outcome.ok ? 'ok' : outcome.failure.code, 'too-large');
      assert.equal((await first.flush(timeoutMs)).ok, true);
      assert.equal(first.status, 'connected');
    });

    test('an expired request is answered without the handler', async () => {
      let called = 0;
      const responder = first.respond(echo, async () => {
        called += 1;
        return done({ text: '', by: '' });
      });
      await first.flush(timeoutMs);
      const outcome = await asker.request(echo, subject, { text: '' }, { timeoutMs: 0 });
      assert.equal(outcome.ok, false);
      await first.flush(timeoutMs);
      assert.equal(called, 0);
      await responder.stop();
    });

    test('close waits for requests in progress; afterwards requests are unavailable and nothing throws', async () => {
      const bus = await world.connect('closer');
      const at = Promise.withResolvers<void>();
      const held = Promise.withResolvers<void>();
      bus.respond(echo, async () => {
        at.resolve();
        await held.promise;
        return done({ text: '', by: 'closer' });
      });
      await bus.flush(timeoutMs);
      const asked = asker.request(echo, subject, { text: '' }, { timeoutMs });
      await at.promise;
      const closing = bus.close();
      held.resolve();
      await closing;
      assert.deepEqual(await asked, done({ text: '', by: 'closer' }));
      const outcome = await bus.request(echo, subject, { text: '' }, { timeoutMs });
      assert.equal(outcome.ok ? 'ok' : outcome.failure.code, 'unavailable');
      assert.equal(bus.status, 'disconnected');
      bus.publishText(happened.subject({ key: 'a' }), '{}');
      assert.equal((await bus.flush(100)).ok, false);
    });
  });
}
