import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { boundaryOf, readMultipart } from './multipart.ts';

async function encoded(fields: Readonly<Record<string, string | Blob>>): Promise<{ readonly boundary: string; readonly body: Buffer }> {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'string') form.set(name, value);
    else form.set(name, value, 'a "file".yml');
  }
  const request = new Request('http://nowhere.example', { method: 'POST', body: form });
  const boundary = boundaryOf(request.headers.get('content-type') ?? undefined);
  assert.ok(boundary);
  return { boundary, body: Buffer.from(await request.arrayBuffer()) };
}

test('fields and files of a form come out as they went in', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), fc.string(), async (bytes, text) => {
      const { boundary, body } = await encoded({ pricing: new Blob([new Uint8Array(bytes)]), text });
      const parts = readMultipart(body, boundary) ?? [];
      assert.deepEqual(
        parts.map(({ name, filename }) => [name, filename !== undefined]),
        [
          ['pricing', true],
          ['text', false],
        ],
      );
      assert.deepEqual(parts[0]?.data, Buffer.from(bytes));
    }),
    { numRuns: 50 },
  );
});

test('an invalid form is undefined, whatever the bytes', () => {
  assert.equal(readMultipart(Buffer.from(''), 'b'), undefined);
  assert.equal(readMultipart(Buffer.from('--b\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext'), 'b'), undefined);
  const many = `${'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n'.repeat(50)}--b--`;
  assert.equal(readMultipart(Buffer.from(many), 'b'), undefined);
  fc.assert(
    fc.property(fc.array(fc.constantFrom('--b', '\r\n', '\r\n\r\n', '--', 'Content-Disposition: form-data; name=a', 'x')), (pieces) => {
      const parts = readMultipart(Buffer.from(pieces.join('')), 'b');
      assert.ok(parts === undefined || Array.isArray(parts));
    }),
  );
});

test("the boundary is that of a form's content type", () => {
  assert.equal(boundaryOf('multipart/form-data; boundary=abc'), 'abc');
  assert.equal(boundaryOf('Multipart/Form-Data; charset=utf-8; boundary="a b"'), 'a b');
  assert.equal(boundaryOf('application/json; boundary=abc'), undefined);
  assert.equal(boundaryOf(undefined), undefined);
});
