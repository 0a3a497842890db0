#!/bin/bash
# The health check of a container: ends with 0 when the service says on its port that it can serve. It starts no Node, which costs a tenth of a
# second of a processor each time, unless the port speaks TLS.
[ -n "${TLS_CERT_FILE:-}" ] && exec node healthy.mjs
exec 3<>"/dev/tcp/127.0.0.1/$PORT" || exit 1
printf 'GET /readyz HTTP/1.0\r\n\r\n' >&3
read -r -t 8 _ status _ <&3
[ "$status" = 200 ]
