/** The tables of docs/scale.md: the given size, and the effect of each remedy. */
import { hopsOf, type Size, table } from './model.ts';

const GOAL: Size = {
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

const SIZES: readonly (readonly [title: string, size: Size])[] = [
  ['Twenty journals on one Redis, clients of every tenant at any edge', GOAL],
  ['A Redis for each journal', { ...GOAL, redisServers: 20 }],
  ['And clients of a tenant at the five edges of its journal', { ...GOAL, redisServers: 20, journalsPerEdge: 1, edgesPerChange: 2 }],
  ['The same on one journal', { ...GOAL, journals: 1, journalsPerEdge: 1 }],
];

/** In Markdown. */
export const scaleTables = (): string => SIZES.map(([title, size]) => `### ${title}\n\n${table(hopsOf(size))}\n`).join('\n');
