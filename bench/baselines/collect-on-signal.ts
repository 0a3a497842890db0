/**
 * Imported into a measured process (`node --expose-gc --import`): SIGUSR2 makes it collect its garbage, so that what is left is what it keeps.
 * An ordinary collection leaves half-empty pages behind, which the process has and its connections do not need; this one moves what lives
 * together and gives the pages back.
 */
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
});
