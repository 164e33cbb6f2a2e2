#!/bin/sh
# On nginx's machine: `pool.sh leave NAME` and `pool.sh join NAME`. NAME is the comment behind a server in $POOL:
#     server 10.0.0.10:80; # web-0
set -eu

POOL=${POOL:-/etc/nginx/pool.conf}
PID=${PID:-/run/nginx.pid}
NGINX=${NGINX:-nginx}
name=$2

case $1 in
    leave) change="s/\( down\)*;/ down;/" ;;
    join) change="s/\( down\)*;/;/" ;;
    *) echo "usage: pool.sh leave|join NAME" >&2 && exit 64 ;;
esac
grep -q "; # $name\$" "$POOL" || { echo "$POOL has no server with the comment # $name" >&2 && exit 1; }

old=$(pgrep -P "$(cat "$PID")")
sed -i "/; # $name\$/$change" "$POOL"
$NGINX -s reload

# Workers from before the reload answer what they have begun, and end: after that nobody talks to a server that has left.
for worker in $old; do
    while [ -d "/proc/$worker" ]; do sleep 0.1; done
done
