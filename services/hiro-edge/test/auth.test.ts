/** The auth API beyond logging in: password, profile and picture, and the OAuth code flow over two replicas. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { call, login, post, type System, startSystem } from './system.ts';

const REDIRECT = 'https://app.example/callback?from=hiro';
let system: System;
let token: string;
let auth: string;
let other: string;
before(async () => {
  system = await startSystem({
    hiro: { HIRO_REDIRECT_URIS: `${REDIRECT}, myapp://done`, HIRO_APPLICATIONS: 'app, test:x, private:secret' },
  });
  token = await system.token();
  auth = `${system.hiro.url}/api/auth/6.6`;
  other = `${(await system.startHiro()).url}/api/auth/6.6`;
});
after(() => system[Symbol.asyncDispose]());

type Vertex = Record<string, unknown>;
const makeUser = async (username: string): Promise<{ readonly username: string; readonly password: string; readonly token: string }> => {
  const who = { username, password: 'the-first-password' };
  assert.equal((await post(`${system.hiro.url}/admin/accounts`, { ...who, roles: [] }, token)).status, 200);
  return { ...who, token: (await login(system.hiro.url, who))._TOKEN };
};

test('a user changes the password with the old one, and earlier tokens end', async () => {
  const user = await makeUser('changer');
  const change = (oldPassword: unknown, newPassword: unknown) =>
    call('PUT', `${auth}/me/password`, user.token, JSON.stringify({ oldPassword, newPassword }));
  assert.equal((await change('wrong', 'another-password')).status, 403);
  assert.equal((await change(user.password, 'short')).status, 400);
  assert.equal((await change(user.password, undefined)).status, 400);
  const changed = await change(user.password, 'another-password');
  assert.deepEqual([changed.status, (changed.body as Vertex)['ogit/name']], [200, 'changer']);
  await assert.rejects(login(system.hiro.url, user));
  assert.ok((await login(system.hiro.url, { username: 'changer', password: 'another-password' }))._TOKEN);
  assert.equal((await call('PUT', `${auth}/me/password`, undefined, '{}')).status, 401);
});

test('a profile can be read and partly written, and is a separate vertex', async () => {
  const user = await makeUser('profiled');
  const read = async (): Promise<Vertex> => (await call('GET', `${auth}/me/profile`, user.token)).body as Vertex;
  assert.equal((await read())['ogit/name'], 'profiled');
  assert.equal(
    (await post(`${auth}/me/profile`, { 'ogit/firstName': 'P', 'ogit/lastName': 'X', 'ogit/_owner': 'somebody' }, user.token)).status,
    200,
  );
  const written = await post(`${auth}/me/profile`, { 'ogit/lastName': null, '/color': 'red' }, user.token);
  const profile = await read();
  assert.deepEqual(written, { status: 200, body: profile });
  assert.deepEqual([profile['ogit/firstName'], profile['ogit/lastName'], profile['/color']], ['P', undefined, 'red']);
  assert.equal((await call('GET', `${system.hiro.url}/api/graph/7.4/${profile['ogit/_id']}`, user.token)).status, 200);
  const account = (await call('GET', `${auth}/me/account?profile=true`, user.token)).body as Vertex;
  assert.deepEqual(account['ogit/Auth/profile'], profile);
  assert.equal(profile['ogit/_owner'], account['ogit/_id']);
  assert.equal((await post(`${auth}/me/profile`, { 'ogit/x': { deep: 1 } }, user.token)).status, 400);
  // Nobody takes the place of another's profile.
  const taken = await post(`${system.hiro.url}/api/graph/7.4/new/ogit%2FNote`, { 'ogit/_id': `profile:${account['ogit/_id']}x` }, token);
  assert.equal(taken.status, 400);
});

test('a picture is put and got, and is a picture', async () => {
  const user = await makeUser('pictured');
  const put = (body: string | Uint8Array<ArrayBuffer>, type: string) =>
    fetch(`${auth}/me/avatar`, { method: 'PUT', headers: { authorization: `Bearer ${user.token}`, 'content-type': type }, body });
  const get = () => fetch(`${auth}/me/avatar`, { headers: { authorization: `Bearer ${user.token}` } });
  assert.equal((await get()).status, 404);
  const image = new Uint8Array(randomBytes(300_000));
  const answer = await put(image, 'image/png');
  assert.deepEqual([answer.status, await answer.json()], [200, image.length]);
  const got = await get();
  assert.deepEqual([got.status, got.headers.get('content-type'), new Uint8Array(await got.arrayBuffer())], [200, 'image/png', image]);
  assert.equal((await put('<script>', 'text/html')).status, 400);
  assert.equal((await put('<svg/>', 'image/svg+xml')).status, 400);
});

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');
const asked = {
  response_type: 'code',
  client_id: 'app',
  redirect_uri: REDIRECT,
  code_challenge: challenge,
  code_challenge_method: 'S256',
  state: 's"&<1',
};
const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const show = (over: Record<string, string> = {}) => fetch(`${auth}/authorize?${form({ ...asked, ...over })}`, { redirect: 'manual' });
const submit = (fields: Record<string, string>) =>
  fetch(`${auth}/authorize`, { method: 'POST', body: form({ ...asked, ...fields }), redirect: 'manual' });
const redeem = (fields: Record<string, string>, at = other) =>
  fetch(`${at}/token`, {
    method: 'POST',
    body: form({ grant_type: 'authorization_code', client_id: 'app', redirect_uri: REDIRECT, code_verifier: verifier, ...fields }),
  });

async function codeFor(username: string, password: string): Promise<string> {
  const answer = await submit({ username, password });
  assert.equal(answer.status, 303);
  const to = new URL(answer.headers.get('location') ?? '');
  assert.equal(`${to.origin}${to.pathname}`, 'https://app.example/callback');
  assert.deepEqual([to.searchParams.get('from'), to.searchParams.get('state')], ['hiro', asked.state]);
  return to.searchParams.get('code') ?? '';
}

test('the login page is plain HTML that nothing else gets into', async () => {
  const page = await show();
  assert.deepEqual([page.status, page.headers.get('content-type')], [200, 'text/html; charset=utf-8']);
  const policy = page.headers.get('content-security-policy') ?? '';
  assert.match(
    policy,
    /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self' https:\/\/app\.example; base-uri 'none'; frame-ancestors 'none'$/,
  );
  assert.equal(page.headers.get('cache-control'), 'no-store');
  const html = await page.text();
  assert.ok(!html.includes('<script') && html.includes('value="s&quot;&amp;&lt;1"'), html);
});

test('nothing is redirected to an address that is not on the list, nor for a request that is wrong', async () => {
  for (const over of [
    { redirect_uri: 'https://evil.example/' },
    { redirect_uri: `${REDIRECT}/more` },
    { redirect_uri: '' },
    { client_id: 'unknown' },
    { response_type: 'token' },
    { code_challenge_method: 'plain' },
    { code_challenge: 'short' },
    { state: 'x'.repeat(2000) },
  ]) {
    for (const answer of [await show(over), await submit({ ...over, username: 'admin', password: 'admin-password' })]) {
      assert.deepEqual([answer.status, answer.headers.get('location')], [400, null], JSON.stringify(over));
      await answer.arrayBuffer();
    }
  }
  const wrong = await submit({ username: 'admin', password: 'wrong' });
  assert.deepEqual([wrong.status, wrong.headers.get('location')], [401, null]);
  assert.match(await wrong.text(), /The user name or the password is wrong/);
});

test('a code is redeemed once, on any replica, by the client that requested it, and its tokens work', async () => {
  const code = await codeFor('admin', 'admin-password');
  const attempts = [
    { code_verifier: randomBytes(32).toString('base64url') },
    { redirect_uri: 'myapp://done' },
    { client_id: 'private', client_secret: 'secret' },
  ];
  for (const wrong of attempts) assert.equal((await redeem({ code, ...wrong })).status, 401);
  // A code is no refresh token, in any disguise.
  for (const refreshToken of [code, `${code}\0${JSON.stringify(['app', REDIRECT, challenge])}`]) {
    const answer = await post(`${auth}/refresh`, { client_id: 'app', refresh_token: refreshToken });
    assert.equal(answer.status, 401);
  }
  const both = await Promise.all([redeem({ code }), redeem({ code }, auth)]);
  assert.deepEqual(both.map(({ status }) => status).sort(), [200, 401]);
  const tokens = (await both.find(({ status }) => status === 200)?.json()) as { access_token: string; refresh_token: string };
  assert.equal((await call('GET', `${auth}/me/account`, tokens.access_token)).status, 200);
  assert.equal((await redeem({ code })).status, 401);
  const again = await post(`${auth}/refresh`, { client_id: 'app', refresh_token: tokens.refresh_token });
  assert.equal(again.status, 200);
  for (const wrong of [{ code: '' }, { code: 'x', code_verifier: 'short' }] as Record<string, string>[])
    assert.equal((await redeem(wrong)).status, 400);
});

test('a native application has a redirect address with its own scheme', async () => {
  const page = await show({ redirect_uri: 'myapp://done' });
  assert.match(page.headers.get('content-security-policy') ?? '', /form-action 'self' myapp:;/);
  const answer = await submit({ redirect_uri: 'myapp://done', username: 'admin', password: 'admin-password' });
  assert.match(answer.headers.get('location') ?? '', /^myapp:\/\/done\?code=[\w-]{43}&state=/);
});
