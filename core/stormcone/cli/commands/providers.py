"""`stormcone providers`: what is installed."""

from typing import Any

import click

from stormcone.cli.console import print_json, say, warn
from stormcone.cli.options import json_option
from stormcone.detect import lacking
from stormcone.plugins import PROVIDERS, SIMULATORS, Plugins, load_plugins


@click.command("providers")
@json_option
def command(as_json: bool) -> None:
    """List the clouds and simulators that are installed, and the plug-ins that are broken."""
    groups = {"providers": load_plugins(PROVIDERS), "simulators": load_plugins(SIMULATORS)}
    if as_json:
        print_json({name: _document(plugins) for name, plugins in groups.items()})
        return
    rows = [
        (kind.removesuffix("s"), name, plugins.distributions[name], ", ".join(_abilities(plugin)))
        for kind, plugins in groups.items()
        for name, plugin in sorted(plugins.found.items())
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    if not rows:
        say("No cloud and no simulator is installed.")
    for plugins in groups.values():
        for broken in plugins.broken:
            warn(f"{broken.name} of {broken.distribution} is broken: {broken.error}")
    for name in sorted(groups["providers"].found):
        if lack := lacking(name):
            warn(f"{name} cannot work yet: {lack}")


def _abilities(plugin: type[Any]) -> list[str]:
    capabilities = getattr(plugin, "capabilities", None)
    if capabilities is None:
        return ["serve"]
    named = {
        "approve": capabilities.can_approve,
        "simulate": capabilities.can_simulate,
        "report outcomes": capabilities.reports_outcome,
    }
    return [f"watch a {capabilities.scope}", *(name for name, able in named.items() if able)]


def _document(plugins: Plugins) -> dict[str, Any]:
    return {
        "found": [
            {
                "name": name,
                "distribution": plugins.distributions[name],
                "can": _abilities(plugin),
                "lacks": (lacking(name) if plugins.group == PROVIDERS else "") or None,
            }
            for name, plugin in sorted(plugins.found.items())
        ],
        "broken": [
            {"name": broken.name, "distribution": broken.distribution, "error": broken.error}
            for broken in plugins.broken
        ],
    }
