/** One well-behaved client per protocol next to the hostile ones, and what it experienced. */
import { scrypt } from 'node:crypto';
import { login } from '../../services/hiro-edge/test/system.ts';
import { ADMIN, type System } from '../interplay/system.ts';

/** What one client experienced. */
export interface Experience {
  readonly name: string;
  readonly tookMs: number[];
  readonly failures: string[];
}

/** Hashes a password at graph-store's cost: the minimum duration of a login on a machine that is busy with other work. */
const hashed = (): Promise<void> =>
  new Promise((resolve, reject) => {
    scrypt('password', 'salt', 32, { N: 2 ** 15, r: 8, p: 1, maxmem: 2 ** 27 }, (error) => (error === null ? resolve() : reject(error)));
  });

const PAUSE_MS = 50;
const LOGIN_PAUSE_MS = 2000;

export async function goodClients(system: System, until: () => boolean): Promise<readonly Experience[]> {
  const { hiro, saga, space, goodUncle, urls } = system;
  const { _id: bot } = (await saga.api('POST', '/bots', { name: 'good' })).body;
  const [from, to] = await Promise.all([system.pageOf('good-from'), system.pageOf('good-to')]);
  const expect = (holds: boolean, what: unknown): void => {
    if (!holds) throw new Error(JSON.stringify(what)?.slice(0, 300));
  };
  const work: Readonly<Record<string, (n: number) => Promise<void>>> = {
    hiro: async (n) => void (await hiro.create('ogit/Note', { size: String(n) })),
    saga: async (n) => {
      const ack = await saga.send('/bots/properties', { parent_id: bot, name: 'n', value: n });
      expect(ack.status_code === 200, ack);
    },
    space: async () => {
      const answered = await space.get('/services');
      expect(answered.status === 200, answered.body);
    },
    goodUncle: async (n) => {
      const { response } = await goodUncle.one({ type: 'create', topic: 'orders', params: { n } });
      expect(response.code === 'ok', response);
    },
    jssocket: async (n) => {
      from.event('notify_group', { target: 'good-to', data: { n } });
      const heard = await to.next();
      expect(JSON.stringify(heard) === JSON.stringify({ n }), heard);
    },
    login: async (n) => {
      // Beside it, for the comparison.
      void timed(hashed);
      if (n % 2 === 0) expect((await login(urls.hiro)).access_token !== '', 'no token');
      else (await system.goodUncleOf(ADMIN))[Symbol.dispose]();
    },
  };
  const alone: Experience = { name: 'hash alone', tookMs: [], failures: [] };
  const timed = async (what: () => Promise<void>): Promise<void> => {
    const began = performance.now();
    await what();
    alone.tookMs.push(performance.now() - began);
  };
  const experiences = await Promise.all(
    Object.entries(work).map(async ([name, once]) => {
      const experience: Experience = { name, tookMs: [], failures: [] };
      for (let n = 0; !until(); n += 1) {
        const began = performance.now();
        try {
          await once(n);
          experience.tookMs.push(performance.now() - began);
        } catch (error) {
          experience.failures.push(String(error));
        }
        await new Promise((resolve) => setTimeout(resolve, name === 'login' ? LOGIN_PAUSE_MS : PAUSE_MS));
      }
      return experience;
    }),
  );
  return [...experiences, alone];
}
