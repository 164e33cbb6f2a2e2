"""One thing that `doctor` has looked at."""

from dataclasses import dataclass
from enum import StrEnum


class Light(StrEnum):
    """How it is."""

    GREEN = "green"
    YELLOW = "yellow"
    """An agent could work; somebody should look at this."""
    RED = "red"
    """An agent could not work, or not for long."""
    GREY = "grey"
    """It says nothing for or against."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        ok: whether an agent could work with it.
        found: what was found.
        light: how it is.
        advice: what to do, as a clause; "" where there is nothing, or `found` says it.
    """

    name: str
    ok: bool
    found: str
    light: Light
    advice: str = ""


def well(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, True, found, Light.GREEN)


def doubtful(name: str, found: str, advice: str) -> Check:
    """It works, and somebody should look."""
    return Check(name, True, found, Light.YELLOW, advice)


def bad(name: str, found: str, advice: str = "") -> Check:
    """It does not work."""
    return Check(name, False, found, Light.RED, advice)


def plain(name: str, found: str, *, ok: bool = True) -> Check:
    """It says nothing for or against; `ok` all the same says whether an agent could work with it."""
    return Check(name, ok, found, Light.GREY)
