#!/bin/sh
# syslog-ng batching lines into HTTP bodies. syslog.sh URL FILE IN_FLIGHT (the first line is a header)
# It never ends by itself: it is stopped when the server has counted all requests.
set -eu
place=$(mktemp -d); trap 'rm -rf "$place"' EXIT
tail -n +2 "$2" > "$place/list"
want=$(( ($(wc -l < "$place/list") + 99) / 100 ))
requests() { curl -s "$1/count" | awk 'NR == 3 { print $3 }'; }
before=$(requests "$1")
cat > "$place/conf" <<CONF
@version: 3.38
options { stats-freq(0); };
source s { file("$place/list" read-old-records(yes) multi-line-mode(none) flags(no-parse) log-iw-size(40000) log-fetch-limit(1000)); };
destination d { http(url("$1/1/delete/profiles.json") method("POST") workers($3) batch-lines(100)
  batch-timeout(500) body-prefix("{\"identity\":[") body("\"\${MESSAGE}\"") delimiter(",") body-suffix("]}")
  headers("Content-Type: application/json", "X-CleverTap-Account-Id: BENCH", "X-CleverTap-Passcode: bench")
  log-fifo-size(100000)); };
log { source(s); destination(d); flags(flow-control); };
CONF
syslog-ng --foreground --no-caps --cfgfile "$place/conf" --persist-file "$place/persist" \
  --pidfile "$place/pid" --control "$place/ctl" 2>/dev/null &
pid=$!
looks=0
while [ $(( $(requests "$1") - before - looks )) -le "$want" ] && [ $looks -lt 600 ]; do
  looks=$((looks + 1)); sleep 0.2
done
kill -TERM $pid; wait $pid || true
