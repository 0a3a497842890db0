import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toRestCall } from './rest-translate.ts';

const means = (method: string, path: string, query: Record<string, string> = {}) => {
  const call = toRestCall(method, path.split('/').map(decodeURIComponent), query, { '/a': '1' });
  if (!call.ok) return call.failure.code;
  return [call.value.type, call.value.headers];
};

test('hiro:R4 each method and path is a graph-ws request whose headers are the URL`s parameters', () => {
  assert.deepEqual(means('GET', 'v1', { fields: 'a' }), ['get', { 'ogit/_id': 'v1', fields: 'a' }]);
  assert.deepEqual(means('POST', 'new/ogit%2FNote'), ['create', { 'ogit/_type': 'ogit/Note' }]);
  assert.deepEqual(means('POST', 'v1'), ['update', { 'ogit/_id': 'v1' }]);
  assert.deepEqual(means('PUT', 'v1', { createIfNotExists: 'true' }), ['replace', { 'ogit/_id': 'v1', createIfNotExists: 'true' }]);
  assert.deepEqual(means('DELETE', 'a%24%24ogit%2Frelates%24%24b'), ['delete', { 'ogit/_id': 'a$$ogit/relates$$b' }]);
  assert.deepEqual(means('POST', 'connect/ogit%2Frelates'), ['connect', { 'ogit/_type': 'ogit/relates' }]);
  assert.deepEqual(means('GET', 'query/ids', { query: 'a,b' }), ['query', { query: 'a,b', type: 'ids' }]);
  assert.deepEqual(means('POST', 'query/vertices'), ['query', { type: 'vertices' }]);
  assert.deepEqual(means('GET', 'xid/x'), ['query', { type: 'xid', query: 'x' }]);
});

test('an unknown path is not found, an unsupported method is rejected', () => {
  for (const path of ['', 'new', 'query', 'xid', 'v1/nothing', 'a/b/c', 'new/']) assert.equal(means('GET', path), 'not-found', path);
  assert.equal(means('DELETE', 'query/ids'), 'invalid');
  assert.equal(means('PATCH', 'v1'), 'invalid');
});
