"""What the fuzzers of requests have in common: a request, what each cloud's simulator is asked, and odd texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

from mutate import ODD_BYTES, ODD_VALUES, spoil_bytes
from stormcone import ManualClock
from stormcone_simulators.base import BaseSimulator
from stormcone_simulators.http.messages import Request, Response


class Call(NamedTuple):
    """A request to be made."""

    method: str
    target: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


Ask = Callable[[Request], Response]
"""Has a sound request answered."""


@dataclass(frozen=True)
class Target:
    """One cloud's simulator.

    Attributes:
        make: a new one on that clock.
        call: a spoilt request in the cloud's own protocol.
        machines: its machines.
        shown: what a machine is shown by sound requests, by marks.
        listed: the mark of an event of a machine's that goes on; None where those requests do not tell it.
        refuses: whether an answer that is no success is an error of the cloud's own kind; None is not looked at.
    """

    make: Callable[[ManualClock], BaseSimulator]
    call: Callable[[Random, Sequence[str], Sequence[str]], Call]
    machines: tuple[str, ...]
    shown: Callable[[Ask, str], set[str]]
    listed: Callable[[Mapping[str, Any], str], str | None]
    refuses: Callable[[Request, Response], bool] | None = None


ODD_TEXTS = (
    *map(str, ODD_VALUES),
    *(odd.decode("latin-1") for odd in ODD_BYTES),
    "٣",
    "1e9",
    "true",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00Z",
)


def path_of(rng: Random, path: str) -> str:
    """The path as it stands in a request, now and then with spoilt bytes."""
    if rng.random() < 0.1:
        return quote(spoil_bytes(rng, path.encode()), safe="/?&=%")
    return quote(path, safe="/?&=%")


def text_of(value: str) -> str:
    """The text without what no request can hold."""
    return value.encode("utf-8", "replace").decode()
