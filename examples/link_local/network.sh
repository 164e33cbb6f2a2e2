#!/bin/sh
# A cloud and its machines as network namespaces, where every machine finds the cloud at 169.254.169.254. As root:
#   network.sh up NAME=ADDRESS...     makes the namespace `cloud` and one for each machine
#   network.sh down NAME...           takes them away
# Another cloud's address: METADATA=100.100.100.200. Nothing outside of the namespaces is changed, or can be reached.
# An interface has the hardware address that the Azure simulator tells of it, if that is given the machines in this order.
set -eu
metadata=${METADATA:-169.254.169.254}
usage() { echo "usage: network.sh up NAME=ADDRESS... | down NAME..." >&2; exit 64; }

down() {
    for machine in "$@"; do
        ip netns delete "${machine%%=*}" 2>/dev/null || true
    done
    ip netns delete cloud 2>/dev/null || true
}

up() {
    for name in cloud "$@"; do
        [ ! -e "/run/netns/${name%%=*}" ] || { echo "there is a namespace ${name%%=*} already" >&2; exit 73; }
    done
    trap 'down "$@"' EXIT
    ip netns add cloud
    ip -n cloud link set lo up
    ip -n cloud address add "$metadata/32" dev lo
    count=0
    for machine in "$@"; do
        name=${machine%%=*} address=${machine#*=} link=machine$count
        ip netns add "$name"
        ip -n "$name" link set lo up
        ip -n cloud link add "$link" type veth peer name eth0 netns "$name"
        ip -n "$name" link set eth0 address "$(printf '00:0d:3a:00:%02x:%02x' $((count / 256)) $((count % 256)))"
        ip -n "$name" address add "$address/32" dev eth0
        ip -n "$name" link set eth0 up
        ip -n cloud link set "$link" up
        ip -n "$name" route add "$metadata/32" dev eth0
        ip -n cloud route add "$address/32" dev "$link"
        count=$((count + 1))
    done
    trap - EXIT
}

[ $# -ge 2 ] || usage
action=$1
shift
case $action in
    up) for machine in "$@"; do case $machine in ?*=?*) ;; *) usage ;; esac; done && up "$@" ;;
    down) down "$@" ;;
    *) usage ;;
esac
