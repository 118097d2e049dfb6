#!/bin/sh
# Runs the wire tests against the official server: what fails there is a wrong test.
#   prove_on_node.sh [arguments of cargo test, e.g. a filter]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
clients=$here/../../../scripts/clients/node-reference
work=$(mktemp -d)
pids=
trap 'kill $pids 2>/dev/null; rm -rf "$work"' EXIT INT TERM
cp "$clients"/server.js "$clients"/package.json "$clients"/package-lock.json "$work"
(cd "$work" && npm ci --silent --no-audit --no-fund)

urls=
start() { # name, ping interval, ping timeout, connect timeout, upgrade timeout, largest message, more options
  UPGRADE_TIMEOUT=$5 ENGINE_OPTIONS=${7:-} node -r "$here/node_preload.cjs" "$work/server.js" --port 0 \
    --ping-interval "$2" --ping-timeout "$3" --connect-timeout "$4" \
    --max-http-buffer-size "$6" >"$work/$1.out" &
  pids="$pids $!"
  until grep -q listening "$work/$1.out"; do sleep 0.05; done
  urls="$urls,$1=$(sed 's|.*http://||' "$work/$1.out")@$!"
}
start calm 150000 100000 45000 10000 1000000
start beats 300 600 45000 10000 1000000
start hasty 150000 100000 400 400 1000000
start small 150000 100000 45000 10000 10000
start browsers 150000 100000 45000 10000 10000 \
  '{"cors":{"origin":["https://a.example",{"below":"https://*.b.example"}],"credentials":true},"cookie":{}}'
start any-origin 150000 100000 45000 10000 10000 '{"cors":{"origin":"*"}}'
start alone 150000 100000 45000 10000 1000000
start brisk 150000 100000 45000 10000 1000000 '{"httpRequestBodyTimeout":1000}'

export STENTOR_WIRE_PEER=node STENTOR_WIRE_URL="${urls#,}"
cd "$here/../.." && cargo test --test wire -- "$@"
