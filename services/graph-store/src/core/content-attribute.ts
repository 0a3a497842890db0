/**
 * The attribute that refers to a vertex's blob. Only `attach` writes it, so that nothing can refer to unchecked content; `replace` keeps it.
 * The name is that of HIRO (HIRO protocol page 3.6), the only protocol with blobs.
 */
export const CONTENT_ATTRIBUTE = 'ogit/_c-id';
