"""How true a simulator is: what of the real service it does, what it does not, and what nobody has verified.

Kept as data beside each simulator, drawn in the docs, and held to the tests: whatever a simulator is said to do is
tied to the tests that pin it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module


class Fidelity(StrEnum):
    """How a simulator stands to one thing that the real service does."""

    DOES = "does"
    DOES_NOT = "does not"
    UNVERIFIED = "unverified"
    """It does something, of which no public source says whether the real service does the same."""


@dataclass(frozen=True)
class Feature:
    """One line of a sheet.

    Attributes:
        verdict: how the simulator stands to it.
        what: what the service does, or for UNVERIFIED what the simulator does.
        source: how it is known of the real service.
        tests: the tests that pin it, as `file::Class::test` from the folder `tests/simulators`; DOES has at least one.
    """

    verdict: Fidelity
    what: str
    source: str
    tests: tuple[str, ...] = ()


Sheet = tuple[Feature, ...]

SHEETS: Mapping[str, str] = {
    "azure": "stormcone_simulators.azure.fidelity",
    "alibaba": "stormcone_simulators.alibaba.fidelity",
    "aws": "stormcone_simulators.aws.fidelity",
    "google": "stormcone_simulators.google.fidelity",
}
"""Where each simulator's sheet is."""


def sheet(simulator: str) -> Sheet:
    """The sheet of the simulator of that name.

    Raises:
        KeyError: there is none.
    """
    found: Sheet = import_module(SHEETS[simulator]).SHEET
    return found
