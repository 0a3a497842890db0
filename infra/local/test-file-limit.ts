/**
 * Loaded by every process that runs a test file: ends it if it runs too long, for example because something it started is still open after
 * its last test. The `timeout` of node's runner (24.9) does not end such a file.
 */
const limitMs = Number(process.env.POLYEDGE_TEST_FILE_MS ?? Number.NaN);
if (limitMs > 0) {
  setTimeout(() => {
    const open = process.getActiveResourcesInfo().join(', ');
    console.error(`polyedge: the file is ended because it has run for ${limitMs / 1000} s; it holds: ${open}`);
    process.exit(1);
  }, limitMs).unref();
}
