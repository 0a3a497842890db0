/** How many items to read at once, so that a page stays near a number of bytes whatever the size of changes. Begins small: sizes are not known. */
const FIRST_ITEMS = 32;
const PAGE_ITEMS = 256;
const PAGE_BYTES = 512 * 1024;

export class PageSize {
  #limit = FIRST_ITEMS;

  get limit(): number {
    return this.#limit;
  }

  saw(items: readonly { readonly bytes: number }[]): void {
    if (items.length === 0) return;
    let bytes = 0;
    for (const item of items) bytes += item.bytes;
    this.#limit = Math.min(PAGE_ITEMS, Math.max(1, Math.floor((PAGE_BYTES * items.length) / Math.max(1, bytes))));
  }
}
