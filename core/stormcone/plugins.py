"""Finding providers, simulators and sinks: stevedore, with its two silences broken.

stevedore drops a plug-in whose import fails, and of two plug-ins with one name lets the last one win. Here the
first becomes a `BrokenPlugin` that says which distribution and which error, the second a `PluginError`
(`error_on_conflict` is not enough: it sees only conflicting plug-ins that were found one right after the other).
"""

from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from stevedore import ExtensionManager

from stormcone.clouds.contract import Provider
from stormcone.errors import PluginError
from stormcone.simulators.contract import Simulator
from stormcone.sinks.contract import Sink
from stormcone.text import one_line

PROVIDERS = "stormcone.providers"
SIMULATORS = "stormcone.simulators"
SINKS = "stormcone.sinks"

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
    distributions: dict[str, str]
    broken: tuple[BrokenPlugin, ...]

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


def _distribution(entry_point: EntryPoint) -> str:
    # stevedore's cache keeps no distribution with an entry point, so ask the installed metadata for it.
    for installed in entry_points(group=entry_point.group, name=entry_point.name):
        if installed.value == entry_point.value and installed.dist:
            return f"{installed.dist.name} {installed.dist.version}"
    return "an unknown distribution"


def load_plugins(group: str) -> Plugins:
    """All plug-ins of a group, imported and checked.

    Raises:
        PluginError: two distributions offer one name; the text names both. Or one ends the import for all.
    """
    broken: list[BrokenPlugin] = []

    def failed(_manager: ExtensionManager[Any], entry_point: EntryPoint, error: BaseException) -> None:
        broken.append(BrokenPlugin(entry_point.name, _distribution(entry_point), one_line(error)))

    try:
        manager = ExtensionManager[Any](group, on_load_failure_callback=failed)
    except (AssertionError, SystemExit) as error:  # stevedore lets these through, and does not say whose they are
        raise PluginError(
            f"a plug-in in {group} cannot be imported ({one_line(error)}); uninstall the one that was added last"
        ) from error
    found: dict[str, type[Any]] = {}
    distributions: dict[str, str] = {}
    # stevedore looks for conflicts among neighbours only, and then only when asked by name: look at all of them.
    for extension in manager:
        name, source = extension.name, _distribution(extension.entry_point)
        missing = [attribute for attribute in _REQUIRED[group] if not hasattr(extension.plugin, attribute)]
        if missing:
            broken.append(BrokenPlugin(name, source, f"it lacks {', '.join(missing)}"))
        elif name in found and found[name] is not extension.plugin:
            sources = " and ".join(sorted({source, distributions[name]}))
            raise PluginError(f"two plug-ins in {group} are called {name!r}, of {sources}; uninstall one of them")
        else:
            found[name], distributions[name] = extension.plugin, source
    return Plugins(group, found, distributions, tuple(broken))


def provider_class(name: str) -> type[Provider]:
    """The provider of that name.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Provider], load_plugins(PROVIDERS).get(name))


def simulator_class(name: str) -> type[Simulator]:
    """The simulator of that name.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Simulator], load_plugins(SIMULATORS).get(name))


def sink_class(name: str) -> type[Sink]:
    """The sink of that type.

    Raises:
        PluginError: it is not installed, broken, or there are two.
    """
    return cast(type[Sink], load_plugins(SINKS).get(name))
