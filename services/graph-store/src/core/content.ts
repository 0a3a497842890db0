/**
 * The attribute in which a vertex names its blob. `attach` alone writes it, so that nobody can refer to content that was never checked;
 * `replace` keeps it. It is HIRO's name for the thing (HIRO protocol page 3.6), the only protocol that has blobs.
 */
export const CONTENT_ATTRIBUTE = 'ogit/_c-id';
