/** An account of one protocol has no rights in the others unless they are granted. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { schemaId } from '../../libs/saga/src/elements.ts';
import { call, login, post } from '../../services/hiro-edge/test/system.ts';
import { Rest } from '../../services/space-edge/test/system.ts';
import type { System } from './system.ts';

export function strangers(system: System): void {
  const { hiro, saga, urls } = system;

  /** Everything visible in HIRO with this token. */
  async function found(token: string): Promise<readonly Record<string, unknown>[]> {
    const query = new URLSearchParams({ query: '+ogit\\/_graphtype:vertex', limit: '-1', includeDeleted: 'true' });
    const { status, body } = await call('GET', `${urls.hiro}/api/graph/7.4/query/vertices?${query}`, token);
    assert.equal(status, 200, JSON.stringify(body));
    return (body as { readonly items: readonly Record<string, unknown>[] }).items;
  }

  /** Asserts that the account sees and writes only its own elements. */
  async function seesNothing(token: string, account: string): Promise<void> {
    const note = String((await hiro.create('ogit/Note', { 'ogit/name': 'private' }))['ogit/_id']);
    for (const vertex of await found(token)) assert.equal(vertex['ogit/_owner'], account, JSON.stringify(vertex));
    const path = `${urls.hiro}/api/graph/7.4/${encodeURIComponent(note)}`;
    assert.equal((await call('GET', path, token)).status, 403);
    assert.equal((await call('GET', `${path}/history`, token)).status, 403);
    assert.equal((await call('POST', path, token, '{"ogit/name":"changed"}')).status, 403);
    assert.equal((await call('DELETE', path, token)).status, 403);
    const forged = JSON.stringify({ parent_type: 'user', parent_id: saga.me, name: 'mood', value: 'forged' });
    assert.equal((await call('POST', `${urls.hiro}/api/graph/7.4/new/${encodeURIComponent('saga/Property')}`, token, forged)).status, 403);
  }

  test('who registers in Saga sees and writes nothing through HIRO', async () => {
    const who = { username: 'stranger', password: 'password of a stranger' };
    const { status, body } = await post(`${urls.saga}/users/register`, who);
    assert.equal(status, 200, JSON.stringify(body));
    const { _id, accessToken } = body as { readonly _id: string; readonly accessToken: string };
    await seesNothing(accessToken, _id);
    await seesNothing((await login(urls.hiro, who))._TOKEN, _id);
  });

  test('who registers in SPACE sees and writes nothing through HIRO', async () => {
    const who = { username: 'space-stranger', password: 'password-of-a-stranger' };
    const { status, body } = await new Rest(urls.space).post('/users', who);
    assert.equal(status, 201, JSON.stringify(body));
    await seesNothing((await login(urls.hiro, who))._TOKEN, String(body.id));
  });

  test('who registers cannot take ids that Saga needs', async () => {
    const who = { username: 'squatter', password: 'password of a squatter' };
    assert.equal((await post(`${urls.saga}/users/register`, who)).status, 200);
    const token = (await login(urls.hiro, who))._TOKEN;
    const make = (id: string, body: object) =>
      post(`${urls.hiro}/api/graph/7.4/new/${encodeURIComponent('ogit/Note')}`, { 'ogit/_id': id, ...body }, token);
    for (const id of [`${saga.me}:taken`, 'saga-globals:taken']) assert.equal((await make(id, {})).status, 403, id);
    assert.equal((await make('saga-globals:with space', {})).status, 200);
    // The id of a property's schema can be computed by anybody.
    assert.equal((await make(schemaId('/users/properties/taken'), { active: 'x' })).status, 200);
    assert.equal((await saga.send('/users/properties', { parent_id: saga.me, name: 'taken', value: 1 })).status_code, 200);
  });

  test('a newly registered user does not get the answer that a `once` remembers', async () => {
    const who = { username: 'curious', password: 'password of somebody curious' };
    assert.equal((await post(`${urls.saga}/users/register`, who)).status, 200);
    const token = (await login(urls.hiro, who))._TOKEN;
    const name = createHash('sha256')
      .update(JSON.stringify([saga.me, 'notes', 'guessed']))
      .digest('hex')
      .slice(0, 40);
    const taken = { 'ogit/_id': `once-${name}`, answer: 'nothing' };
    assert.equal((await post(`${urls.hiro}/api/graph/7.4/new/${encodeURIComponent('ogit/Note')}`, taken, token)).status, 200);
    const create = { type: 'create', topic: 'notes', params: { text: 'private' }, once: 'guessed' };
    assert.equal((await system.goodUncle.one(create)).response.errors[0]?.reason, 'duplicate');
    const { body } = await call('GET', `${urls.hiro}/api/graph/7.4/once-${name}`, token);
    assert.equal((body as Record<string, unknown>).answer, 'nothing');
  });

  test('an administrator of Saga or SPACE alone does not become one of HIRO by setting another password', async () => {
    const who = { username: 'one-sided', password: 'password-of-one-side' };
    await system.account(who, { roles: { saga: ['Admin'], space: ['ADMIN'] } });
    const oneSided = await system.sagaOf(who);
    const plain = (await oneSided.api('POST', '/users', { username: 'plain', password: 'a plain password' })).body._id;
    assert.equal((await oneSided.api('PUT', `/users/${plain}`, { password: 'another password' })).status, 200);
    assert.equal((await oneSided.api('PUT', `/users/${saga.me}`, { password: 'taken over' })).status, 403);
    assert.equal((await oneSided.api('DELETE', `/users/${saga.me}`)).status, 403);
    const { body } = await new Rest(urls.space).post('/users/authenticate', who);
    const space = new Rest(urls.space, String(body.apiKey));
    assert.equal((await space.put('/users/admin', { password: 'taken-over' })).status, 403);
    assert.equal((await space.put('/users/admin', { username: 'renamed' })).status, 403);
    await login(urls.hiro);
  });
}
