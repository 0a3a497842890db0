/** `node tools/scale.ts`: the tables of docs/scale.md. What was measured is in `scale/model.ts`; other sizes are a change of the lines below. */
import { hopsOf, type Size, table } from './scale/model.ts';

const goal: Size = {
  edges: 100,
  journals: 20,
  replicas: 2,
  natsServers: 3,
  redisServers: 1,
  connections: 10_000_000,
  writesPerSecond: 200_000,
  receivers: 5,
  journalsPerEdge: 20,
  edgesPerChange: 5,
};
const sizes: readonly (readonly [title: string, size: Size])[] = [
  ['As it is: one Redis, every client at any edge', goal],
  ['A Redis for every four journals', { ...goal, redisServers: 5 }],
  [
    'And clients of a tenant at the five edges of its journal, nine NATS servers, three replicas',
    { ...goal, redisServers: 5, journalsPerEdge: 1, edgesPerChange: 2, natsServers: 9, replicas: 3 },
  ],
];
for (const [title, size] of sizes) console.log(`### ${title}\n\n${table(hopsOf(size))}\n`);
