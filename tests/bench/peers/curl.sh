#!/bin/sh
# curl -Z: awk writes a configuration of all requests, one curl sends so many at once.
# curl.sh URL FILE IN_FLIGHT (the first line is a header)
set -eu
awk -v url="$1/1/delete/profiles.json" '
  function request() {
    if (n) printf "%surl = \"%s\"\ndata = \"{\\\"identity\\\":[%s]}\"\noutput = \"/dev/null\"\n", sent++ ? "next\n" : "", url, ids
    if (n) printf "header = \"X-CleverTap-Account-Id: BENCH\"\nheader = \"X-CleverTap-Passcode: bench\"\nheader = \"Content-Type: application/json\"\n"
    ids = ""; n = 0
  }
  NR > 1 { ids = ids (n++ ? "," : "") "\\\"" $0 "\\\""; if (n == 100) request() }
  END { request() }
' "$2" | curl --silent --show-error --fail --parallel --parallel-max "$3" --config -
