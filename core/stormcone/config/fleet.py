"""The fleet that a configuration names, opened."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from stormcone.config.load import Configuration
from stormcone.errors import FleetError, SettingsError
from stormcone.fleet.contract import Fleet, Overview
from stormcone.fleet.history import FleetHistory
from stormcone.fleet.membership import GroupRule, Membership
from stormcone.handlers import App
from stormcone.model import Machine, MaintenanceEvent
from stormcone.postgresql.address import DatabaseAddress
from stormcone.postgresql.driver import driver_for
from stormcone.rules.agreement import EventInFleet, basis_of
from stormcone.text import printable

TABLE = "fleet"

_SECRETS = ("PGPASSWORD", "STORMCONE_FLEET__URL")
"""Variables that may hold the password of the fleet's database."""

T = TypeVar("T")


@contextmanager
def membership(configuration: Configuration, app: App) -> Iterator[Membership | None]:
    """How the agent takes part in its fleet, until the end of the block; None where it is in none.

    Args:
        configuration: which names the fleet.
        app: the app that it makes.

    Raises:
        SettingsError: the address cannot be read, or groups or a leader are named that cannot be used.
        PluginError: the driver is not installed.
    """
    settings = configuration.settings
    if settings.fleet is None:
        if settings.groups:
            name = next(iter(settings.groups))
            error = SettingsError("it is a group of a fleet, and there is none; add [fleet] with its url")
            raise configuration.placed(error, ("groups", name), key=True)
        yield None
        return
    if app.approval.leader is not None:
        mistake = SettingsError("in a fleet all machines of an event agree, and nobody leads; leave one of the two out")
        raise configuration.placed(mistake, ("leader",) if settings.leader is not None else (TABLE,), key=True)
    fleet = opened(configuration)
    try:
        yield Membership(
            fleet=fleet,
            groups=_groups(configuration),
            silence=settings.fleet.silence,
            secrets=(*_SECRETS, *configuration.variables_named()),
        )
    finally:
        fleet.close()


def summary(configuration: Configuration) -> str:
    """The fleet that is named, and its groups with their limits, in a line; "" where none is."""
    table = configuration.settings.fleet
    if table is None:
        return ""
    groups = ", ".join(f"{name} ({rule.max_unavailable} away)" for name, rule in configuration.settings.groups.items())
    return printable(f"fleet: {table.name}; " + (f"groups: {groups}" if groups else "no groups"))


def opened(configuration: Configuration, *, reads: bool = False) -> Fleet:
    """The fleet's store; no connection is made yet.

    Args:
        configuration: which names it.
        reads: whether it is only looked at.

    Raises:
        SettingsError: no fleet is named, or its address cannot be read.
        PluginError: the driver is not installed.
    """

    def make(address: DatabaseAddress, name: str) -> Fleet:
        from stormcone.fleet.postgresql import PostgresqlFleet

        return PostgresqlFleet(address, name, reads=reads)

    return _made(configuration, make)


def history(configuration: Configuration) -> FleetHistory:
    """What the fleet's agents have told, to be read; no connection is made yet.

    Raises:
        SettingsError: no fleet is named, or its address cannot be read.
        PluginError: the driver is not installed.
    """
    return _made(configuration, FleetHistory)


def _made(configuration: Configuration, make: Callable[[DatabaseAddress, str], T]) -> T:
    """What is made of the fleet's address and its name."""
    table = configuration.settings.fleet
    if table is None:
        raise SettingsError("no fleet is named; add [fleet] with its url to the configuration")
    try:
        with driver_for("a fleet"):
            return make(DatabaseAddress.parse(table.url.get_secret_value()), table.name)
    except SettingsError as error:
        raise configuration.placed(error, (TABLE, "url")) from None


def _groups(configuration: Configuration) -> tuple[GroupRule, ...]:
    return tuple(
        GroupRule(name=name, max_unavailable=table.max_unavailable, machines=table.machines, ours=table.ours)
        for name, table in configuration.settings.groups.items()
    )


@dataclass(frozen=True)
class FleetSeen:
    """A fleet as somebody sees it who is no member.

    Attributes:
        groups: the groups that the configuration knows.
        overview: all that the fleet knows; None where it cannot be asked.
        away: why it cannot be, as a clause, or "".
    """

    groups: tuple[GroupRule, ...]
    overview: Overview | None
    away: str

    def groups_of(self, machine: Machine) -> tuple[str, ...]:
        """The groups that the machine is in."""
        return tuple(group.name for group in self.groups if group.has(machine))

    def event(self, event: MaintenanceEvent, machine: Machine, now: datetime) -> EventInFleet:
        """The event as the fleet knows it, for that machine."""
        seen = EventInFleet(away=self.away, basis=basis_of(event), names=event.resources, now=now)
        if self.overview is None:
            return seen
        ballot = next((each for each in self.overview.ballots if each.key == event.key), None)
        member = next((each for each in self.overview.members if each.goes_by(machine.name)), None)
        return replace(seen, ballot=ballot, member=member, now=self.overview.at)


def fleet_seen(configuration: Configuration, app: App) -> FleetSeen | None:
    """The fleet that a configuration names, looked at once; None where it names none.

    Raises:
        SettingsError: as `membership`.
        PluginError: the driver is not installed.
    """
    with membership(configuration, app) as ship:
        if ship is None:
            return None
    try:
        with closing(opened(configuration, reads=True)) as fleet:
            return FleetSeen(_groups(configuration), fleet.overview(), "")
    except FleetError as error:
        return FleetSeen(_groups(configuration), None, str(error))
