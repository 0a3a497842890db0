/**
 * Imported into a measured process (`node --expose-gc --import`): SIGUSR2 triggers garbage collection, so that only retained memory remains.
 * An ordinary collection leaves half-empty pages, which the process holds but its connections do not need; this one compacts live objects
 * and returns the pages.
 */
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
});
