/** What the sockets of one group have received in total. */
export class Received {
  readonly first = new Set<number>();
  readonly #newest = new Map<string, number>();
  deliveries = 0;
  inversions = 0;

  take(frame: string): void {
    const seq = Number(/"(?:nanotime|seq)":(\d+)/.exec(frame)?.[1] ?? 0);
    const element = /"id":"([^"]+)"/.exec(frame)?.[1] ?? '';
    this.deliveries += 1;
    if (this.first.has(seq)) return;
    this.first.add(seq);
    const newest = this.#newest.get(element) ?? 0;
    if (seq < newest) this.inversions += 1;
    else this.#newest.set(element, seq);
  }
}
