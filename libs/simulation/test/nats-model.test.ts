import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { test } from 'node:test';
import { done } from '@polyedge/contracts/errors';
import { trialEcho as echo, trialHappened as happened } from '@polyedge/contracts/testing/trial-channels';
import type { Bus, Responder, Subscription } from '@polyedge/service-kit/bus';
import { connectNatsBus } from '@polyedge/service-kit/nats-bus';
import { openGateway } from '@polyedge/testkit/servers/gateway';
import { startNats } from '@polyedge/testkit/servers/nats';
import { NatsModel } from '../src/nats-model.ts';
import { NatsModelBus } from '../src/nats-model-bus.ts';
import { Chance, VirtualTime } from '../src/virtual-time.ts';

const STEPS = 100;
const KEYS = ['a', 'b', 'c'];
const TENANT = 'acme';

/** NATS, real or modelled, with three clients of two services. */
interface World extends AsyncDisposable {
  readonly buses: readonly Bus[];
  /** What it takes, real time or virtual, until a promise of a bus is settled. */
  wait<T>(promise: Promise<T>): Promise<T>;
  /** The connection of one client breaks; it is there again when this resolves. `meanwhile` happens while it is broken. */
  breakOne(at: number, meanwhile: () => void): Promise<void>;
}

const SERVICES = ['asker', 'answerer', 'answerer'];

async function realWorld(): Promise<World> {
  const parts = new AsyncDisposableStack();
  const nats = parts.use(await startNats());
  const gateways = await Promise.all(SERVICES.map(async () => parts.use(await openGateway(nats.port))));
  const buses = await Promise.all(
    SERVICES.map(async (service, at) => {
      const connected = await connectNatsBus({ url: `nats://127.0.0.1:${gateways[at]?.port}`, service });
      assert.ok(connected.ok);
      parts.defer(() => connected.value.close());
      return connected.value;
    }),
  );
  const reaches = (bus: Bus | undefined, status: Bus['status']): Promise<void> =>
    new Promise((resolve) => {
      if (bus === undefined || bus.status === status) return resolve();
      const listening = bus.onStatus((now) => {
        if (now !== status) return;
        listening.unsubscribe();
        resolve();
      });
    });
  return {
    buses,
    wait: (promise) => promise,
    breakOne: async (at, meanwhile) => {
      gateways[at]?.cut();
      await reaches(buses[at], 'disconnected');
      meanwhile();
      gateways[at]?.mend();
      await reaches(buses[at], 'connected');
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function modelWorld(chance: Chance): World {
  const time = new VirtualTime();
  const model = new NatsModel(time, () => chance.next());
  const process = (service: string, at: number) => ({
    ...{ service, name: `${at}`, now: () => time.now, run: (work: () => void) => work() },
    after: (ms: number, work: () => void) => time.after(ms, work),
  });
  const buses = SERVICES.map((service, at) => new NatsModelBus(model, process(service, at)));
  const wait = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    while (!isSettled) {
      await time.runSettled(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await promise;
  };
  return {
    buses,
    wait,
    breakOne: async (at, meanwhile) => {
      buses[at]?.link.cut();
      await time.runSettled(1);
      meanwhile();
      while (buses[at]?.status === 'disconnected') await time.runSettled(10);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** The same steps in either world. @returns what was observed after each */
async function scenario(world: World, chance: Chance): Promise<string[]> {
  const seen: string[] = [];
  let heard: string[] = [];
  const subscriptions: { readonly name: string; readonly subscription: Subscription }[] = [];
  const responders: (Responder | undefined)[] = [];
  const timeoutMs = 5000;
  let count = 0;
  const bus = (at: number): Bus => {
    const found = world.buses[at];
    assert.ok(found !== undefined);
    return found;
  };
  const flushAll = async (): Promise<void> => {
    // Twice: what the first has brought to the server is with its subscribers after the second.
    for (let round = 0; round < 2; round += 1) {
      const flushed = await world.wait(Promise.all(world.buses.map((one) => one.flush(timeoutMs))));
      assert.ok(flushed.every(({ ok }) => ok));
    }
  };
  const publish = (from: number, key: string): void => {
    count += 1;
    bus(from).publish(happened, { key }, { n: count });
  };
  for (let step = 0; step < STEPS; step += 1) {
    const pick = chance.below(100);
    const at = chance.below(3);
    const key = chance.of(KEYS) ?? '';
    let line = `${step}`;
    if (pick < 15) {
      const pattern = chance.percent(30) ? happened.pattern({}) : happened.pattern({ key });
      const name = `${at}:${pattern.slice(-1)}:${step}`;
      const subscription = bus(at).subscribe(happened, pattern, ({ n }) => heard.push(`${name} ${n}`));
      subscriptions.push({ name, subscription });
    } else if (pick < 22) {
      const [ended] = subscriptions.splice(chance.below(subscriptions.length), 1);
      ended?.subscription.unsubscribe();
    } else if (pick < 60) {
      for (let burst = 1 + chance.below(5); burst > 0; burst -= 1) publish(at, chance.of(KEYS) ?? '');
    } else if (pick < 70) {
      const place = chance.below(2);
      const known = responders[place];
      if (known === undefined) responders[place] = bus(1 + place).respond(echo, async ({ text }) => done({ text, by: 'x' }));
      else if (chance.percent(50)) known.leave();
      else known.join();
    } else if (pick < 85) {
      const asked = Array.from({ length: 3 }, (_, n) =>
        bus(0).request(echo, echo.subject({ tenant: TENANT }), { text: `${n}` }, { timeoutMs }),
      );
      const outcomes = await world.wait(Promise.all(asked));
      line += ` ${outcomes.map((outcome) => (outcome.ok ? outcome.value.text : `${outcome.failure.code} ${outcome.failure.detail}`)).join()}`;
    } else if (pick < 93) {
      const status: string[] = [];
      const listening = bus(at).onStatus((now) => status.push(now));
      await world.breakOne(at, () => {
        publish(at, key);
        publish((at + 1) % 3, key);
      });
      listening.unsubscribe();
      line += ` ${status.join()}`;
    } else {
      // A message for oneself, and for those that subscribe right after it.
      publish(at, key);
      subscriptions.push({
        name: `late ${step}`,
        subscription: bus(at).subscribe(happened, happened.pattern({ key }), ({ n }) => heard.push(`late ${step} ${n}`)),
      });
    }
    await flushAll();
    // Each subscription hears in order; between subscriptions there is no order.
    const byName = heard.map((text) => text.slice(0, text.lastIndexOf(' ')));
    const order = heard.map((text, place) => ({ text, name: byName[place] ?? '', place }));
    order.sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : one.place - other.place));
    seen.push(`${line}: ${order.map(({ text }) => text).join(', ')}`);
    heard = [];
  }
  return seen;
}

test('the model of NATS delivers, loses and answers as NATS does', async () => {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  await using real = await realWorld();
  await using model = modelWorld(new Chance(seed + 1));
  const ofReal = await scenario(real, new Chance(seed));
  const ofModel = await scenario(model, new Chance(seed));
  assert.deepEqual(ofModel, ofReal, `under seed ${seed}`);
});

const PENDING = 8 * 1024 * 1024;
const BODY = 'x'.repeat(128 * 1024);

/** Everything before its PING has reached the server. */
async function pongOn(socket: Socket): Promise<void> {
  let text = '';
  while (!text.includes('PONG')) text += String(await once(socket, 'data'));
}

/** A client stands still while so many messages come. @returns whether it lost its connection */
const cutOff = {
  async real(messages: number): Promise<boolean> {
    await using nats = await startNats({ config: `max_pending: ${PENDING}\nwrite_deadline: "500ms"` });
    const socket = connect({ port: nats.port, host: '127.0.0.1' });
    await once(socket, 'data');
    socket.write('CONNECT {"verbose":false}\r\nSUB slow 1\r\nPING\r\n');
    await pongOn(socket);
    socket.pause();
    const writer = connect({ port: nats.port, host: '127.0.0.1' });
    await once(writer, 'data');
    writer.write('CONNECT {"verbose":false}\r\n');
    for (let count = 0; count < messages; count += 1) writer.write(`PUB slow ${BODY.length}\r\n${BODY}\r\n`);
    writer.write('PING\r\n');
    await pongOn(writer);
    // All of it, or the end of the connection, is what comes now.
    const ended = await new Promise<boolean>((resolve) => {
      let bytes = 0;
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes >= messages * BODY.length) resolve(false);
      });
      socket.on('close', () => resolve(true));
      socket.on('error', () => resolve(true));
      socket.resume();
    });
    socket.destroy();
    writer.destroy();
    return ended;
  },
  async model(messages: number): Promise<boolean> {
    const time = new VirtualTime();
    const model = new NatsModel(time, () => 0.5, { maxPending: PENDING });
    const stopped: (() => void)[] = [];
    let isStopped = false;
    const run = (work: () => void): void => void (isStopped ? stopped.push(work) : work());
    const parts = { service: 's', now: () => time.now, after: (ms: number, work: () => void) => time.after(ms, work) };
    const slow = new NatsModelBus(model, { ...parts, name: 'slow', run });
    const writer = new NatsModelBus(model, { ...parts, name: 'writer', run: (work) => work() });
    slow.subscribe(happened, 'slow', () => {});
    await time.runSettled(100);
    isStopped = true;
    for (let count = 0; count < messages; count += 1) writer.publishText('slow', JSON.stringify(BODY));
    await time.runSettled(100);
    isStopped = false;
    let isCut = false;
    slow.onStatus(() => {
      isCut = true;
    });
    for (const work of stopped.splice(0)) work();
    await time.runSettled(1);
    return isCut;
  },
};

test('a client that does not read loses its connection when too much waits for it, and none before', async () => {
  for (const messages of [4, 400]) {
    const [real, model] = [await cutOff.real(messages), await cutOff.model(messages)];
    assert.equal(real, messages === 400);
    assert.equal(model, real);
  }
});
