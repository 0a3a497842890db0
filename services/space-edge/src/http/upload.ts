/** Reads the pricing of a request: a file in the form field `pricing`, or a URL in JSON or in the form. */

import type { RemoteLimits } from '@polyedge/remote/fetch';
import { got, type Result, refuse } from '../protocol/answer.ts';
import { fieldsOf } from '../protocol/fields.ts';
import type { Upload } from '../store/catalogue/service-parts.ts';
import type { RestCall } from './call.ts';
import { boundaryOf, readMultipart } from './multipart.ts';
import { fetchYaml } from './remote.ts';

const FIELD = 'pricing';

export async function readUpload(
  { body, contentType }: Pick<RestCall, 'body' | 'contentType'>,
  remote: RemoteLimits,
): Promise<Result<Upload>> {
  const boundary = boundaryOf(contentType);
  if (boundary === undefined || !Buffer.isBuffer(body)) return fromUrl(fieldsOf(body)[FIELD], remote);
  const part = readMultipart(body, boundary)?.find(({ name }) => name === FIELD);
  if (part === undefined) return NOTHING;
  return part.filename === undefined ? fromUrl(part.data.toString('utf8'), remote) : got({ yaml: part.data.toString('utf8') });
}

const NOTHING = refuse(400, 'Invalid request: No file or URL provided');

async function fromUrl(value: unknown, remote: RemoteLimits): Promise<Result<Upload>> {
  const url = typeof value === 'string' ? value.trim() : '';
  if (url === '') return NOTHING;
  const text = await fetchYaml(url, remote);
  return text.ok ? got({ yaml: text.value, url }) : text;
}
