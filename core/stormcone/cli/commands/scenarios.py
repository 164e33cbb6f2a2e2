"""`stormcone scenarios`: the scripts of events that simulators play, and such scripts by chance."""

from collections.abc import Mapping
from typing import IO, Any

import click

from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.errors import SimulationError
from stormcone.plugins import SIMULATORS, load_plugins, simulator_class
from stormcone.simulators.contract import Piece, PlaysScenarios
from stormcone.text import printable


@click.group("scenarios", invoke_without_command=True)
@json_option
@click.pass_context
def command(context: click.Context, as_json: bool) -> None:
    """List the scenarios, with the clouds whose simulators play them.

    \b
    stormcone scenarios
    stormcone scenarios show live-migration > mine.toml
    stormcone simulator azure --machine web-0 --scenario mine.toml
    stormcone scenarios random --cloud azure --seed 7 --steps 20
    """
    if context.invoked_subcommand is not None:
        return
    scenarios = _scenarios()
    if as_json:
        print_json({"scenarios": [_document(pieces) for pieces in scenarios.values()]})
        return
    rows = [("scenario", "clouds", "what happens")]
    refusals = []
    for name, pieces in scenarios.items():
        rows.append((name, ", ".join(_playing(pieces)), next(iter(pieces.values())).title))
        refusals += [f"{name} not on {cloud}: {piece.refusal}" for cloud, piece in pieces.items() if piece.refusal]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        say(printable("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()))
    for line in ["", *refusals] if refusals else []:
        say(printable(line))


@command.command("show")
@click.argument("name")
def show(name: str) -> None:
    """Print the file of the scenario NAME, to begin your own with."""
    scenarios = _scenarios()
    if name not in scenarios:
        raise SimulationError(f"there is no scenario {name!r}; there are: {', '.join(scenarios)}")
    say(next(iter(scenarios[name].values())).text.rstrip())


@command.command("random")
@click.option("--cloud", required=True, metavar="CLOUD", help="For this cloud; `stormcone providers` lists them.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed makes the same scenario.")
@click.option("--steps", type=int, default=20, show_default=True, help="How many steps.")
@click.option(
    "-o", "--output", type=click.File("w", encoding="utf-8", lazy=True), default="-", help="Write to this file."
)
def by_chance(cloud: str, seed: int, steps: int, output: IO[str]) -> None:
    """Print a random scenario for two machines, of steps that are legal on the cloud."""
    kind = simulator_class(cloud)
    if not issubclass(kind, PlaysScenarios):
        raise SimulationError(f"the simulator of {cloud} makes no random scenarios")
    output.write(kind.random_scenario(seed, steps))


def _scenarios() -> Mapping[str, Mapping[str, Piece]]:
    """Each scenario by its name, as each cloud sees it."""
    found: dict[str, dict[str, Piece]] = {}
    for cloud, kind in sorted(load_plugins(SIMULATORS).found.items()):
        if issubclass(kind, PlaysScenarios):
            for piece in kind.repertoire():
                found.setdefault(piece.name, {})[cloud] = piece
    return dict(sorted(found.items()))


def _playing(pieces: Mapping[str, Piece]) -> list[str]:
    return [cloud for cloud, piece in pieces.items() if piece.refusal is None]


def _document(pieces: Mapping[str, Piece]) -> dict[str, Any]:
    first = next(iter(pieces.values()))
    refused = {cloud: piece.refusal for cloud, piece in pieces.items() if piece.refusal}
    return {"name": first.name, "title": first.title, "clouds": _playing(pieces), "refused": refused}
