import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { interfacePage } from '../src/docs/interface-page.ts';
import { markdownPage } from '../src/docs/markdown.ts';
import { brokenLinks, buildSite, documentOf, type Site, searchIndex } from '../src/docs/site.ts';
import { pathOf } from '../src/docs/sources.ts';

suite('the documentation as pages', () => {
  let site: Site;
  before(async () => {
    site = await buildSite();
  });

  test('has every document, and no link that leads nowhere', () => {
    for (const path of [
      '/docs',
      '/docs/architecture',
      '/docs/glossary',
      '/docs/errors',
      '/docs/protocols/hiro-rules',
      '/docs/asyncapi/bus',
    ]) {
      assert.ok(site.pages.has(path), path);
    }
    assert.ok(site.pages.has('/docs/services/hiro-edge') && site.pages.has('/docs/packages/gooduncle-client'));
    assert.deepEqual(brokenLinks(site), []);
    const named = [...site.pages.values()].flatMap(({ path, sources }) => sources.map((file) => `${path}: ${file}`));
    assert.ok(named.length > 10);
    assert.deepEqual(
      named.filter((one) => !existsSync(join(import.meta.dirname, '../../..', one.split(': ')[1] ?? ''))),
      [],
    );
  });

  test('can be searched by section', () => {
    const entries = JSON.parse(searchIndex(site)) as string[][];
    const found = entries.filter(([, , heading]) => heading === 'Least privilege');
    assert.deepEqual(
      found.map(([path]) => path),
      ['/docs/architecture#least-privilege'],
    );
    assert.match(found[0]?.[3] ?? '', /Each service has its own user in NATS/);
  });

  test('loads nothing from other origins and has no inline script or style', () => {
    const page = site.pages.get('/docs/operations');
    assert.ok(page);
    const html = documentOf(site, page, { style: '/assets/a.css', script: '/assets/b.js' });
    assert.doesNotMatch(html, /<(script|link|img|iframe)[^>]+(src|href)="(?!\/assets\/|data:,)/);
    assert.doesNotMatch(html, / style=| on[a-z]+=/);
  });
});

test('a link to a document leads to its page, one to a source is a name, and HTML in a document is text', () => {
  const text = '# A & B\n\n[other](../b.md#two-words) [code](../src/x.ts) [here](#a--b) <img src=x onerror=alert(1)>\n';
  const page = markdownPage({ file: 'docs/x/a.md', text }, new Set(['docs/x/a.md', 'docs/b.md']));
  assert.deepEqual(page.links, ['/docs/b#two-words', '/docs/x/a#a--b']);
  assert.match(page.html, /<span class="source" title="\.\.\/src\/x\.ts">code<\/span>/);
  assert.match(page.html, /<h1 id="a--b">A &amp; B<\/h1>/);
  assert.match(page.html, /&lt;img src=x onerror=alert\(1\)&gt;/);
});

test('a link to a page or a heading that is not there is found', () => {
  const text = '# One\n\n[a](#one) [b](#two) [c](other.md#one)\n';
  const page = markdownPage({ file: 'docs/one.md', text }, new Set(['docs/one.md', 'docs/other.md']));
  assert.deepEqual(brokenLinks({ pages: new Map([[page.path, page]]), parts: [] }), [
    '/docs/one: /docs/one#two',
    '/docs/one: /docs/other#one',
  ]);
});

test('the path of a file says the path of its page', () => {
  assert.equal(pathOf('README.md'), '/docs');
  assert.equal(pathOf('docs/protocols/README.md'), '/docs/protocols');
  assert.equal(pathOf('services/hiro-edge/README.md'), '/docs/services/hiro-edge');
  assert.equal(pathOf('docs/asyncapi/bus.json'), '/docs/asyncapi/bus');
});

test('a document of an interface shows each path and channel with its input', () => {
  const api = {
    openapi: '3.1.0',
    info: { title: 'An edge' },
    paths: { '/a/{id}': { get: { summary: 'Reads <one>.', responses: { 200: {} } } } },
  };
  const page = interfacePage({ file: 'docs/openapi/x.json', text: JSON.stringify(api) });
  assert.equal(page?.sections[0]?.heading, 'GET /a/{id}');
  assert.match(page?.html ?? '', /Reads &lt;one&gt;\./);
  assert.equal(interfacePage({ file: 'docs/openapi/x.json', text: '{}' }), undefined);
});
