#!/usr/bin/env bash
# Turn nginx to the scoring server on PORT of this machine, with no request lost: `switch.sh PORT`, in the
# folder that nginx runs from. Returns when the last request to the server before has been answered.
set -euo pipefail
cd "$(dirname "$0")"
port=$1

# A server opens its port only after it has loaded the model.
curl --silent --fail --output /dev/null --retry 120 --retry-delay 1 --retry-connrefused \
    "http://127.0.0.1:$port/ping"

before=$(pgrep --parent "$(cat nginx.pid)")
echo "server 127.0.0.1:$port;" > upstream.conf.new
mv upstream.conf.new upstream.conf
nginx -p . -c nginx.conf -s reload

# New workers take every new request; the ones before answer what they have begun, then end.
for worker in $before; do
    while kill -0 "$worker" 2> /dev/null; do sleep 0.1; done
done
