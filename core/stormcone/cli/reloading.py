"""Taking a changed configuration in while the agent works: what may change, and what takes a restart."""

import threading
from collections.abc import Callable
from queue import SimpleQueue

import click

from stormcone.agent.loop import Agent
from stormcone.cli.configured import built
from stormcone.config.load import Configuration
from stormcone.config.model import RunSettings
from stormcone.errors import SettingsError, StormconeError
from stormcone.handlers.app import ApprovalSettings

_COMMANDS = frozenset({"on_prepare", "on_started", "on_recover", "lead", "with_credentials"})
RELOADED = frozenset({"handlers", "commands", "rules", *_COMMANDS, *ApprovalSettings.__dataclass_fields__})
"""The settings of which a change is taken in while the agent works; every other one takes a restart."""


class Reloading:
    """Reads the configuration again when it is told to, in a thread of its own: a handler file may take long.

    Args:
        read: reads it.
    """

    def __init__(self, read: Callable[[], Configuration]) -> None:
        self._read = read
        self._asked: SimpleQueue[bool] = SimpleQueue()  # a signal's handler may interrupt even its `put`
        self._agent: Agent | None = None

    def ask(self) -> None:
        """Have it read again, once there is an agent; a signal's handler may call this."""
        self._asked.put(True)

    def end(self) -> None:
        """Read nothing any more."""
        self._asked.put(False)

    def serve(self, agent: Agent, configuration: Configuration, refuse: Callable[[str], None]) -> None:
        """Reload for that agent from now on.

        Args:
            agent: who takes in what was read.
            configuration: by which it works.
            refuse: takes why something was not taken in, as a sentence; any thread may call it.
        """
        first, self._agent = self._agent is None, agent
        if first:
            arguments = (configuration, refuse)
            threading.Thread(target=self._work, args=arguments, name="stormcone-reload", daemon=True).start()

    def _work(self, configuration: Configuration, refuse: Callable[[str], None]) -> None:
        while self._asked.get():
            while not self._asked.empty():  # asked several times, it is read once
                if not self._asked.get():
                    return
            try:
                configuration = self._reload(configuration)
            except Exception as error:  # noqa: BLE001 - whatever it is, the agent goes on with what it has
                why = error.message if isinstance(error, click.UsageError) else str(error)
                unforeseen = "" if isinstance(error, StormconeError | click.UsageError) else f"{type(error).__name__}: "
                refuse(f"the configuration is not taken in, the old one goes on: {unforeseen}{why}")

    def _reload(self, before: Configuration) -> Configuration:
        assert self._agent is not None  # noqa: S101 - for the type checker: `serve` has set it
        configuration = self._read()
        if why := needs_restart(before.settings, configuration.settings):
            raise SettingsError(why)
        self._agent.take_app(built(configuration))
        return configuration


def needs_restart(before: RunSettings, after: RunSettings) -> str:
    """Which settings have changed that take a restart, as a clause; "" where none has."""
    changed = [
        field.alias or name
        for name, field in RunSettings.model_fields.items()
        if name not in RELOADED and getattr(before, name) != getattr(after, name)
    ]
    return f"{', '.join(changed)} cannot change while the agent works; restart it" if changed else ""
