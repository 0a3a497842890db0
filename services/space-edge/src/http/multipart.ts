/** Parses `multipart/form-data` in memory (RFC 7578): the body is small and complete. */

export interface Part {
  readonly name: string;
  /** Only for a file. */
  readonly filename: string | undefined;
  readonly data: Buffer;
}

/** Maximum parts of a form. */
const MAX_PARTS = 20;
const MAX_HEADER_BYTES = 4096;

/** The boundary in a content type, if it is a form. */
export function boundaryOf(contentType: string | undefined): string | undefined {
  if (contentType === undefined || !/^multipart\/form-data\s*;/i.test(contentType)) return undefined;
  const found = /;\s*boundary=(?:"([^"]{1,70})"|([^\s";]{1,70}))/i.exec(contentType);
  return found?.[1] ?? found?.[2];
}

/** The parts, or undefined if the body is no valid form. */
export function readMultipart(body: Buffer, boundary: string): Part[] | undefined {
  const delimiter = Buffer.from(`--${boundary}`);
  const parts: Part[] = [];
  let at = body.indexOf(delimiter);
  while (at >= 0) {
    const begin = at + delimiter.length;
    if (body.subarray(begin, begin + 2).toString('latin1') === '--') return parts;
    const end = body.indexOf(Buffer.concat([CRLF, delimiter]), begin);
    const headersEnd = body.indexOf(BLANK_LINE, begin);
    if (end < 0 || headersEnd < 0 || headersEnd > end || headersEnd - begin > MAX_HEADER_BYTES || parts.length >= MAX_PARTS)
      return undefined;
    const part = described(body.subarray(begin, headersEnd).toString('utf8'));
    // A part that ends at its blank line is empty: the line break before the delimiter belongs to the blank line.
    if (part !== undefined) parts.push({ ...part, data: body.subarray(Math.min(headersEnd + BLANK_LINE.length, end), end) });
    at = end + CRLF.length;
  }
  return undefined;
}

const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

function described(headers: string): Omit<Part, 'data'> | undefined {
  const disposition = headers.split('\r\n').find((line) => /^content-disposition\s*:/i.test(line));
  const name = parameter(disposition, 'name');
  return name === undefined ? undefined : { name, filename: parameter(disposition, 'filename') };
}

function parameter(disposition: string | undefined, name: string): string | undefined {
  const found = new RegExp(`;\\s*${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^;\\s]+))`, 'i').exec(disposition ?? '');
  return found?.[1] ?? found?.[2];
}
