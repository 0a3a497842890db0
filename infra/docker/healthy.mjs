// The health check of a container: exit 0 when the service says that it can serve. Reads PORT, as the service does.
const scheme = process.env.TLS_CERT_FILE === undefined ? 'http' : 'https';
// Its own certificate names the outside world's host, not the loopback address.
if (scheme === 'https') process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
try {
  const response = await fetch(`${scheme}://127.0.0.1:${process.env.PORT}/readyz`, { signal: AbortSignal.timeout(2_500) });
  process.exit(response.ok ? 0 : 1);
} catch {
  process.exit(1);
}
