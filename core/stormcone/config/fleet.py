"""The fleet that a configuration names, opened."""

from collections.abc import Iterator
from contextlib import contextmanager

from stormcone.config.load import Configuration
from stormcone.errors import PluginError, SettingsError
from stormcone.fleet.contract import Fleet
from stormcone.fleet.membership import GroupRule, Membership
from stormcone.handlers import App

TABLE = "fleet"


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
    rules = tuple(
        GroupRule(name=name, max_unavailable=table.max_unavailable, machines=table.machines, ours=table.ours)
        for name, table in settings.groups.items()
    )
    fleet = opened(configuration)
    try:
        yield Membership(fleet=fleet, groups=rules, silence=settings.fleet.silence)
    finally:
        fleet.close()


def opened(configuration: Configuration, *, reads: bool = False) -> Fleet:
    """The fleet's store; no connection is made yet.

    Args:
        configuration: which names it.
        reads: whether it is only looked at.

    Raises:
        SettingsError: no fleet is named, or its address cannot be read.
        PluginError: the driver is not installed.
    """
    table = configuration.settings.fleet
    if table is None:
        raise SettingsError("no fleet is named; add [fleet] with its url to the configuration")
    try:
        from stormcone.fleet.postgresql import PostgresqlFleet
        from stormcone.postgresql.address import DatabaseAddress
    except ImportError as error:
        raise PluginError(f"a fleet needs PostgreSQL's driver ({error}); pip install 'stormcone[fleet]'") from error
    try:
        return PostgresqlFleet(DatabaseAddress.parse(table.url.get_secret_value()), table.name, reads=reads)
    except SettingsError as error:
        raise configuration.placed(error, (TABLE, "url")) from None
