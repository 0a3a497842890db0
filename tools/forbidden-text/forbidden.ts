/** A text that is forbidden in the sources, and why. */
export type ForbiddenText = { readonly pattern: RegExp; readonly reason: string; readonly allowedIn?: RegExp };

export const forbiddenTexts: readonly ForbiddenText[] = [
  { pattern: /\bas any\b/, reason: 'turns the type checker off: decode, or narrow' },
  { pattern: /@ts-(ignore|nocheck)\b/, reason: 'hides the next mistake as well' },
  { pattern: /\b(test|it|suite|describe|t)\.(only|skip|todo)\b/, reason: 'a test that does not run proves nothing' },
  { pattern: /\{[^}]*\b(skip|only|todo):\s*(true|['"`])/, reason: 'a test that does not run proves nothing' },
  {
    pattern: /['"`]pe\.[a-z*>]/,
    reason: 'only contracts builds subjects: name the channel',
    allowedIn: /^libs\/contracts\/|\.test\.ts$|\/?test\//,
  },
];

/** The lines of a source file with a forbidden text, with the reason. `path` is relative to the repository. */
export function findForbidden(path: string, source: string): string[] {
  const rules = forbiddenTexts.filter(({ allowedIn }) => allowedIn?.test(path) !== true);
  return source
    .split('\n')
    .flatMap((line, index) =>
      rules.filter(({ pattern }) => pattern.test(line)).map(({ reason }) => `${path}:${index + 1}: ${line.trim()} (${reason})`),
    );
}
