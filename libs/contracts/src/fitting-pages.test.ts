import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ALWAYS_FITTING } from './bus/graph.ts';
import { done, failed } from './errors.ts';
import { FittingPages } from './fitting-pages.ts';

test('a page that is too large is read again in the size that always fits, and so are the later ones', async () => {
  const asked: number[] = [];
  const pages = new FittingPages(500);
  const ask = async (limit: number) => {
    asked.push(limit);
    return limit > 100 ? failed('too-large') : done(limit);
  };
  assert.deepEqual(await pages.read(ask), done(ALWAYS_FITTING));
  assert.deepEqual(await pages.read(ask), done(ALWAYS_FITTING));
  assert.deepEqual(asked, [500, ALWAYS_FITTING, ALWAYS_FITTING]);
  assert.equal(pages.limit, ALWAYS_FITTING);
});

test('other failures, and pages that are too large whatever their size, are answered as they are', async () => {
  const pages = new FittingPages(500);
  assert.deepEqual(await pages.read(async () => failed('unavailable')), failed('unavailable'));
  assert.equal(pages.limit, 500);
  assert.deepEqual(await pages.read(async () => failed('too-large')), failed('too-large'));
  assert.deepEqual(await pages.read(async () => failed('too-large')), failed('too-large'));
});
