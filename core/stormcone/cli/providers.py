"""`stormcone providers`: what is installed."""

from typing import Any

import click

from stormcone.cli.console import print_json
from stormcone.cli.options import json_option
from stormcone.plugins import PROVIDERS, SIMULATORS, Plugins, load_plugins


@click.command("providers")
@json_option
def command(as_json: bool) -> None:
    """List the clouds and simulators that are installed, and the plug-ins that are broken."""
    groups = {"providers": load_plugins(PROVIDERS), "simulators": load_plugins(SIMULATORS)}
    if as_json:
        print_json({name: _document(plugins) for name, plugins in groups.items()})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("kind", "name", "can", "from", box=None)
    for kind, plugins in groups.items():
        for name, plugin in sorted(plugins.found.items()):
            table.add_row(kind.rstrip("s"), name, ", ".join(_abilities(plugin)), plugins.distributions[name])
    Console().print(table)
    for plugins in groups.values():
        for broken in plugins.broken:
            click.echo(f"broken: {broken.name} of {broken.distribution}: {broken.error}", err=True)


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
            {"name": name, "distribution": plugins.distributions[name], "can": _abilities(plugin)}
            for name, plugin in sorted(plugins.found.items())
        ],
        "broken": [
            {"name": broken.name, "distribution": broken.distribution, "error": broken.error}
            for broken in plugins.broken
        ],
    }
