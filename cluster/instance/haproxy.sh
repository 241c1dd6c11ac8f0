#!/bin/sh
# What Serve starts as its HAProxy: the rules of haproxy_rules.py, then HAProxy itself under the same process id.
exec "$CANDLERAY_PYTHON" -I -S "$(dirname "$0")/haproxy_rules.py" "$CANDLERAY_HAPROXY" "$CANDLERAY_HAPROXY_RULES" "$@"
