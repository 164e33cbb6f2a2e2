#!/bin/sh
# Tests drain.sh against a simulator.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
stormcone simulator azure --port 0 --json --machine db-0 --machine db-1 >"$work/ready" &
simulator=$!
trap 'kill $simulator 2>/dev/null; wait $simulator || true; rm -r "$work"' EXIT
until [ -s "$work/ready" ]; do sleep 0.05; done
url=$(jq --raw-output .url "$work/ready")
control="$url/_simulator"

METADATA=$url ./drain.sh touch "$work/drained"
[ ! -e "$work/drained" ] || { echo "drained although nothing is scheduled"; exit 1; }

curl --silent --fail "$control/events" --data '{"impact": "reboot", "resources": ["db-0"], "notice_seconds": 900}' >/dev/null
METADATA=$url ./drain.sh touch "$work/drained"
[ -e "$work/drained" ] || { echo "did not drain"; exit 1; }
phase=$(curl --silent --fail "$control/events" | jq --raw-output '.events[0].phase')
[ "$phase" = started ] || { echo "did not approve: the event is $phase"; exit 1; }
echo "ok"
