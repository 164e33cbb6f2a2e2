"""Asking the living agent of a journal, over its Unix socket."""

import json
import socket
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from stormcone.errors import StormconeError
from stormcone.health.addresses import own_socket
from stormcone.health.server import reachable

PATIENCE = 10.0
"""Seconds that an agent has to answer."""


class NoAgent(StormconeError):
    """No agent answers for this journal."""


class _Connection(HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("agent", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        """Connect to the Unix socket."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def ask(journal: Path, path: str, *, named: str = "") -> Any:
    """What the agent with this journal answers to a path, as a document.

    Args:
        journal: its file, or the one that stands for its database.
        path: what is asked for.
        named: what the user calls the journal; "": its file.

    Raises:
        NoAgent: none runs, it may not be asked by this user, or it does not answer.
    """
    where = own_socket(journal).path
    name_of = named or str(journal)
    assert where is not None  # noqa: S101 - for the type checker
    try:
        with reachable(where) as name:
            connection = _Connection(name)
            try:
                connection.request("GET", path)
                return json.loads(connection.getresponse().read())
            finally:
                connection.close()
    except PermissionError as error:
        raise NoAgent(f"the agent of {name_of} may not be asked by this user; ask as the user that runs it") from error
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        raise NoAgent(
            f"no agent runs with the journal {name_of}; start one (stormcone run, or systemctl start stormcone), name "
            "another with --journal, or see what the last one did: stormcone history"
        ) from error
    except (OSError, HTTPException, ValueError) as error:
        raise NoAgent(
            f"the agent of {name_of} does not answer ({error or type(error).__name__}); is it stuck?"
        ) from error
