/** Fetches a pricing given by its URL (libs/remote has the rules). */
import { fetchRemote, type RemoteLimits } from '@polyedge/remote/fetch';
import { got, type Result, refuse } from '../protocol/answer.ts';

const HEADERS = { accept: 'application/yaml, text/yaml, text/plain, */*', 'user-agent': 'polyedge-space-edge' };

/** The text at a URL; 400 with the reason for anything else. */
export async function fetchYaml(url: string, limits: RemoteLimits): Promise<Result<string>> {
  const fetched = await fetchRemote({ url, headers: HEADERS }, limits);
  if (!fetched.ok) return failure(fetched.problem);
  const { status, body } = fetched.answer;
  return status < 200 || status > 299 ? failure(`it was answered with status ${status}`) : got(body.toString('utf8'));
}

const failure = (problem: string) => refuse(400, `Invalid request: The pricing could not be fetched from the URL: ${problem}`);
