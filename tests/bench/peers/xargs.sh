#!/bin/sh
# xargs and curl: a process for each request. xargs.sh URL FILE IN_FLIGHT (the first line is a header)
set -eu
tail -n +2 "$2" | xargs -n 100 -P "$3" sh -c '
  url=$0; IFS=,; body=$(printf "\"%s\"," "$@")
  exec curl --silent --fail --output /dev/null -H "Content-Type: application/json" \
    -H "X-CleverTap-Account-Id: BENCH" -H "X-CleverTap-Passcode: bench" \
    --data "{\"identity\":[${body%,}]}" "$url"
' "$1/1/delete/profiles.json"
