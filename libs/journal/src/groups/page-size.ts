/**
 * Adapts the number of items per read, so that a page stays near a number of bytes whatever the size of changes. Starts small, as sizes are
 * unknown.
 */
export interface PageBounds {
  readonly first: number;
  readonly most: number;
  readonly bytes: number;
}

const GROUP_PAGES: PageBounds = { first: 32, most: 128, bytes: 512 * 1024 };

export class PageSize {
  readonly #bounds: PageBounds;
  #limit: number;

  constructor(bounds: PageBounds = GROUP_PAGES) {
    this.#bounds = bounds;
    this.#limit = bounds.first;
  }

  get limit(): number {
    return this.#limit;
  }

  adapt(items: readonly { readonly bytes: number }[]): void {
    if (items.length === 0) return;
    let bytes = 0;
    for (const item of items) bytes += item.bytes;
    const fitting = Math.floor((this.#bounds.bytes * items.length) / Math.max(1, bytes));
    this.#limit = Math.min(this.#bounds.most, Math.max(1, fitting));
  }
}
