/** Values of query strings that are not plain text: regular expressions and times. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Element } from '@polyedge/contracts/element';
import type { Json } from '@polyedge/query/json';
import { compile } from '@polyedge/query/predicate';
import { sampleElement } from '../../../test/sample-element.ts';
import { compileLucene } from './lucene.ts';

function finds(text: string, parts: Partial<Element> = {}): boolean {
  const outcome = compileLucene(text, { tenant: 'acme' });
  assert.ok(outcome.ok, `${text}: ${outcome.ok ? '' : outcome.failure.detail}`);
  return compile(outcome.value)(sampleElement(parts));
}

function problemOf(text: string): string {
  const outcome = compileLucene(text, { tenant: 'acme' });
  assert.ok(!outcome.ok, text);
  assert.equal(outcome.failure.code, 'invalid');
  return outcome.failure.detail ?? '';
}

test('a value between slashes is a regular expression for the whole value', () => {
  const named = (name: Json) => ({ attributes: { '/name': name } });
  assert.equal(finds('+\\/name:/Ma.*/', named('Max')), true);
  assert.equal(finds('/name:/Ma.*/', named('xMax')), false);
  assert.equal(finds('/name:/Ma.*/ AND ogit/_type:"ogit/Note"', { ...named('Max'), type: 'ogit/Note' }), true);
  assert.equal(finds('-/name:/Ma.*/', named('Max')), false);
  assert.equal(finds('(/name:/a|b/)', named('b')), true);
  assert.equal(finds('/name:/a\\/b/', named('a/b')), true);
  assert.equal(finds('/name:/[a-c]{2}/', named(['x', 'ab'])), true);
  assert.equal(finds('ogit/_tags:/x./', { attributes: { 'ogit/_tags': 'a, x1,b' } }), true);
  assert.equal(finds('ogit/_tags:/x./', { attributes: { 'ogit/_tags': 'a,ax1' } }), false);
  assert.equal(finds('ogit/_id:/v[0-9]+/', { id: 'v17' }), true);
  // Names and paths keep their slashes.
  assert.equal(finds('/name:/usr/bin', named('/usr/bin')), true);
  assert.equal(finds('/name:"/usr/"', named('/usr/')), true);
  for (const [query, problem] of [
    ['/name:/(a/', /regular expression is wrong at position/],
    ['/name:/a&b/', /not supported/],
    ['/a.*/', /must follow an attribute/],
    ['ogit/_content:/a.*/', /searched by words/],
    ['/name:max~', /"~"/],
    ['/name:"a b"~2', /"~"/],
  ] as const) {
    assert.match(problemOf(query), problem, query);
  }
});

test('times are milliseconds, ISO dates, or now with arithmetic', () => {
  const now = Date.UTC(2026, 10, 29, 7, 15, 30, 500);
  const at = (time: number) => ({ created: { on: time, by: 'a', app: '' } });
  const found = (query: string, time: number): boolean => {
    const filter = compileLucene(query, { tenant: 'acme', at: now });
    assert.ok(filter.ok, `${query}: ${filter.ok ? '' : filter.failure.detail}`);
    return compile(filter.value)(sampleElement(at(time)));
  };
  const day = 86_400_000;
  const midnight = Date.UTC(2026, 10, 29);
  const cases: readonly [query: string, yes: readonly number[], no: readonly number[]][] = [
    ['ogit/_created-on:>now-1h', [now], [now - 3_600_000]],
    ['ogit/_created-on:[now-1h TO now]', [now - 3_600_000, now], [now - 3_600_001, now + 1]],
    ['ogit/_created-on:[now/d TO now/d]', [midnight, midnight + day - 1], [midnight - 1, midnight + day]],
    ['ogit/_created-on:{now/d TO *]', [midnight + day], [midnight + day - 1]],
    ['ogit/_created-on:[* TO now/d}', [midnight - 1], [midnight]],
    ['ogit/_created-on:>=now-1d/d', [midnight - day], [midnight - day - 1]],
    ['ogit/_created-on:[now/M TO now/M]', [Date.UTC(2026, 10, 1)], [Date.UTC(2026, 11, 1)]],
    ['ogit/_created-on:now/w', [Date.UTC(2026, 10, 23)], [Date.UTC(2026, 10, 22), Date.UTC(2026, 10, 30)]],
    ['ogit/_created-on:2026-11-29', [midnight, midnight + day - 1], [midnight - 1, midnight + day]],
    ['ogit/_created-on:[2026-11 TO 2026-11-28]', [Date.UTC(2026, 10, 1), midnight - 1], [midnight]],
    ['ogit/_created-on:>="2026-11-29T07:15:30.500Z"', [now], [now - 1]],
    ['ogit/_created-on:["2026-11-29T08:15+01:00" TO *]', [Date.UTC(2026, 10, 29, 7, 15)], [Date.UTC(2026, 10, 29, 7, 14, 59)]],
    ['ogit/_created-on:[2026-01-31||+1M TO *]', [Date.UTC(2026, 1, 28)], [Date.UTC(2026, 1, 28) - 1]],
    ['ogit/_created-on:[1000 TO 2000]', [1000], [999]],
  ];
  for (const [query, yes, no] of cases) {
    for (const time of yes) assert.ok(found(query, time), `${query} ${new Date(time).toISOString()}`);
    for (const time of no) assert.ok(!found(query, time), `${query} ${new Date(time).toISOString()}`);
  }
  const refused = ['>now-1x', '>now--1h', '2026-13-01', '2026-02-31', '[now-1h/ TO *]', '>now-999999999y'];
  for (const query of refused) assert.match(problemOf(`ogit/_created-on:${query}`), /is compared with milliseconds|expected/, query);
  assert.match(problemOf('/due:[now-1d TO now]'), /is not a time/);
  assert.match(problemOf('ogit/_created-on:2026-11-29T07:15'), /must be quoted/);
});
