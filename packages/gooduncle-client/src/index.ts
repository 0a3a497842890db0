export { GoodUncle, type Options } from './client.ts';
export type { Live } from './live.ts';
export { sha256 } from './sha256.ts';
export type * from './types.ts';
