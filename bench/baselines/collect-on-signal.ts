/** Imported into a measured process (`node --expose-gc --import`): SIGUSR2 makes it collect its garbage, so that what is left is what it keeps. */
process.on('SIGUSR2', () => {
  globalThis.gc?.();
  globalThis.gc?.();
});
