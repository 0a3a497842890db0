// The health check of a container whose port speaks TLS; healthy.sh calls it. Reads PORT, as the service does.
// Its certificate names the outside world's host, not the loopback address.
process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
try {
  const response = await fetch(`https://127.0.0.1:${process.env.PORT}/readyz`, { signal: AbortSignal.timeout(8_000) });
  process.exit(response.ok ? 0 : 1);
} catch {
  process.exit(1);
}
