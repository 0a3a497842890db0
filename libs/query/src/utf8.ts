/**
 * The encoding that writes a text as UTF-8 at the least cost: if every character is one byte, the text is ASCII, and copying it is cheaper
 * than encoding it.
 * @param bytes the length of the text in UTF-8
 */
export const utf8Of = (text: string, bytes: number): 'latin1' | 'utf8' => (text.length === bytes ? 'latin1' : 'utf8');
