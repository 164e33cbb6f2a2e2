"""Finding providers, simulators and sinks: stevedore, with its two silences broken.

stevedore drops a plug-in whose import fails, and of two plug-ins with one name lets the last one win. Here the
first becomes a `BrokenPlugin` that says which distribution and which error, the second a `PluginError`
(`error_on_conflict` is not enough: it sees only conflicting plug-ins that were found one right after the other).
"""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from stevedore import ExtensionManager, NamedExtensionManager

from stormcone.clouds.contract import Provider
from stormcone.errors import PluginError
from stormcone.simulators.contract import Simulator
from stormcone.sinks.contract import Sink
from stormcone.text import one_line

PROVIDERS = "stormcone.providers"
SIMULATORS = "stormcone.simulators"
SINKS = "stormcone.sinks"

_UNKNOWN = "an unknown distribution"

_REQUIRED = {
    PROVIDERS: ("name", "capabilities", "from_options", "identify", "poll", "outcomes", "approve", "close"),
    SIMULATORS: ("name", "settings", "from_options", "start_server", "close", "schedule", "cancel", "events"),
    SINKS: ("Settings", "from_settings", "send", "close"),
}

_KINDS = {PROVIDERS: "cloud", SIMULATORS: "simulator", SINKS: "sink"}


@dataclass(frozen=True)
class BrokenPlugin:
    """A plug-in that is installed and cannot be used.

    Attributes:
        name: its entry point's name.
        distribution: the installed distribution it comes from, with its version.
        error: one sentence.
    """

    name: str
    distribution: str
    error: str


@dataclass(frozen=True)
class Plugins:
    """The plug-ins of one group: those that work, by name, and those that do not."""

    group: str
    found: dict[str, type[Any]]
    broken: tuple[BrokenPlugin, ...]

    @cached_property
    def distributions(self) -> dict[str, str]:
        """The installed distribution of each that works, with its version."""
        return {name: source for (name, _), source in _sources(self.group).items() if name in self.found}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all that are installed, whether they work or not."""
        return tuple(sorted({*self.found, *(plugin.name for plugin in self.broken)}))

    def get(self, name: str) -> type[Any]:
        """The plug-in of that name.

        Raises:
            PluginError: there is none, or it is broken; the text says which there are.
        """
        if name in self.found:
            return self.found[name]
        for plugin in self.broken:
            if plugin.name == name:
                raise PluginError(f"the plug-in {name!r} of {plugin.distribution} cannot be used: {plugin.error}")
        kind = _KINDS[self.group]
        known = ", ".join(sorted(self.found)) or "none"
        near = get_close_matches(name, self.found, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise PluginError(f"no such {kind}: {name}; there are: {known}{hint}")


def _sources(group: str) -> dict[tuple[str, str], str]:
    """The installed distribution of each entry point, by its name and value, from what all that are installed say.

    Reading that takes a while, and stevedore's cache does without: ask only where a distribution is to be told.
    """
    return {
        (each.name, each.value): f"{each.dist.name} {each.dist.version}" if each.dist else _UNKNOWN
        for each in entry_points(group=group)
    }


def load_plugins(group: str, *names: str) -> Plugins:
    """The plug-ins of a group that have one of these names, or all of them, imported and checked.

    Raises:
        PluginError: two distributions offer one name; the text names both. Or one ends the import for all.
    """
    broken: list[BrokenPlugin] = []

    def failed(_manager: ExtensionManager[Any], entry_point: EntryPoint, error: BaseException) -> None:
        broken.append(_broken(group, entry_point, one_line(error)))

    try:
        manager = (
            NamedExtensionManager[Any](
                group, names, on_load_failure_callback=failed, on_missing_entrypoints_callback=lambda _names: None
            )
            if names
            else ExtensionManager[Any](group, on_load_failure_callback=failed)
        )
    except (AssertionError, SystemExit) as error:  # stevedore lets these through, and does not say whose they are
        raise PluginError(
            f"a plug-in in {group} cannot be imported ({one_line(error)}); uninstall the one that was added last"
        ) from error
    found: dict[str, type[Any]] = {}
    values: dict[str, str] = {}
    # stevedore looks for conflicts among neighbours only, and then only when asked by name: look at all of them.
    for extension in manager:
        name, value = extension.name, extension.entry_point.value
        missing = [attribute for attribute in _REQUIRED[group] if not hasattr(extension.plugin, attribute)]
        if missing:
            broken.append(_broken(group, extension.entry_point, f"it lacks {', '.join(missing)}"))
        elif name in found and found[name] is not extension.plugin:
            known = _sources(group)
            sources = " and ".join(sorted({known.get((name, each), _UNKNOWN) for each in (values[name], value)}))
            raise PluginError(f"two plug-ins in {group} are called {name!r}, of {sources}; uninstall one of them")
        else:
            found[name], values[name] = extension.plugin, value
    return Plugins(group, found, tuple(broken))


def _broken(group: str, entry_point: EntryPoint, error: str) -> BrokenPlugin:
    source = _sources(group).get((entry_point.name, entry_point.value), _UNKNOWN)
    return BrokenPlugin(entry_point.name, source, error)


def provider_class(name: str) -> type[Provider]:
    """The provider of that name; no other is imported.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Provider], _class(PROVIDERS, name))


def simulator_class(name: str) -> type[Simulator]:
    """The simulator of that name; no other is imported.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Simulator], _class(SIMULATORS, name))


def sink_class(name: str) -> type[Sink]:
    """The sink of that type; no other is imported.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Sink], _class(SINKS, name))


def _class(group: str, name: str) -> type[Any]:
    plugins = load_plugins(group, name)
    return (plugins if plugins.names else load_plugins(group)).get(name)
