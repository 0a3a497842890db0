/** Answers of the API as runs receive them. Pure. */

/** Maximum length of an API answer. */
const MAX_ANSWER = 8 * 1024 * 1024;
/** The error of a call whose answer is too large. */
export const TOO_LARGE = {
  status_code: 413,
  name: 'Payload Too Large',
  message: `the answer has more than ${MAX_ANSWER} characters; ask for less`,
};

/** JSON of an answer; undefined if it is too large for a run, or cannot be encoded. */
export function answerText(value: unknown): string | undefined {
  try {
    const text = JSON.stringify(value ?? null);
    return text.length > MAX_ANSWER ? undefined : text;
  } catch {
    return undefined;
  }
}
