import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CannotStart } from '@polyedge/service-kit/lifecycle';
import { type FetchSettings, fetchCalls } from './fetch.ts';

test('what may be fetched is said without contradiction, or the runner does not start', () => {
  const settings = (fetch: FetchSettings['fetch'], fetchHosts?: string) => () => fetchCalls({ fetch, fetchHosts });
  for (const right of [
    settings('off'),
    settings('off', 'example.org'),
    settings('public'),
    settings('listed', 'example.org'),
    settings('listed', ' Example.org:8080, 10.0.0.7,[fd00::1]:80 ,'),
  ])
    assert.doesNotThrow(right);
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [settings('listed'), /lists no host/],
    [settings('listed', ' , '), /lists no host/],
    [settings('public', 'example.org'), /not limited to RUNNER_FETCH_HOSTS/],
    [settings('listed', 'https://example.org'), /RUNNER_FETCH_HOSTS has "https:\/\/example.org"/],
    [settings('listed', 'example.org/path'), /RUNNER_FETCH_HOSTS has/],
    [settings('listed', 'example.org:port'), /RUNNER_FETCH_HOSTS has/],
  ];
  for (const [start, because] of wrong)
    assert.throws(start, (error: unknown) => error instanceof CannotStart && because.test(error.message), String(because));
});
