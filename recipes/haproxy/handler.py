"""Leave HAProxy's pool before maintenance, once the last request is answered, and come back after it.

    HAPROXY=10.0.0.4:9999 HAPROXY_BACKEND=app stormcone run handler.py

The server's name in the pool is the machine's; HAProxy's `stats socket` must have `level admin`.
"""

import csv
import os
import socket
from datetime import timedelta

from stormcone import App, Context, GiveUp, Handler, Impact, MaintenanceEvent

HOST, _, PORT = os.environ["HAPROXY"].rpartition(":")
BACKEND = os.environ.get("HAPROXY_BACKEND", "app")


def haproxy(command: str) -> str:
    with socket.create_connection((HOST, int(PORT)), timeout=5) as connection:
        connection.sendall(f"{command}\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    if command.startswith("set ") and answer.strip():
        raise RuntimeError(f"HAProxy refused {command!r}: {answer.strip()}")
    return answer


def server(name: str) -> dict[str, str]:
    rows = csv.DictReader(haproxy("show stat").removeprefix("# ").splitlines())
    if found := [row for row in rows if (row["pxname"], row["svname"]) == (BACKEND, name)]:
        return found[0]
    raise GiveUp(f"HAProxy's backend {BACKEND} has no server {name}")


class LeavePool(Handler):
    impacts = set(Impact) - {Impact.NONE, Impact.DEGRADED, Impact.FREEZE}
    timeout = timedelta(minutes=10)

    def prepare(self, event: MaintenanceEvent, context: Context) -> None:
        name = context.machine.name
        if server(name)["status"].startswith("MAINT"):
            return  # somebody has taken it out already, and will put it back
        haproxy(f"set server {BACKEND}/{name} state drain")
        while sessions := int(server(name)["scur"]):
            context.log.info("%s requests are still being answered", sessions)
            if not context.wait(1):
                return

    def recover(self, event: MaintenanceEvent, context: Context) -> None:
        name = context.machine.name
        if not server(name)["status"].startswith("MAINT"):
            haproxy(f"set server {BACKEND}/{name} state ready")  # HAProxy's checks see when it can serve


app = App([LeavePool()])
