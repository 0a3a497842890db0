/**
 * docs/interplay.md, cell by cell: one system of all five edges, and what each of them shows of the others' writes. What all edges must
 * do alike is tested on the same system.
 */
import { after } from 'node:test';
import { exactNumbers } from './interplay/exact-numbers.ts';
import { nesting } from './interplay/nesting.ts';
import { seenInGoodUncle } from './interplay/seen-in-good-uncle.ts';
import { seenInHiro } from './interplay/seen-in-hiro.ts';
import { seenInJssocket } from './interplay/seen-in-jssocket.ts';
import { seenInSaga } from './interplay/seen-in-saga.ts';
import { seenInSpace } from './interplay/seen-in-space.ts';
import { strangers } from './interplay/strangers.ts';
import { startSystem } from './interplay/system.ts';

const system = await startSystem();
after(() => system[Symbol.asyncDispose]());

for (const seen of [seenInHiro, seenInSaga, seenInSpace, seenInGoodUncle, seenInJssocket, strangers, exactNumbers, nesting]) seen(system);
