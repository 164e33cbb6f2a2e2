"""`stormcone doctor`: which cloud is this, and can we reach what we need?"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from stormcone.cli.console import print_json
from stormcone.cli.options import journal_option, json_option, options_for_provider, provider_options
from stormcone.detect import AUTO, Finding, survey
from stormcone.errors import ProviderError, ProviderUnavailable, StormconeError
from stormcone.journal import Journal
from stormcone.machine import read_boot_id
from stormcone.provider import Explains, Provider, ProviderOptions


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is well, and what was found."""

    name: str
    ok: bool
    found: str


@click.command("doctor")
@provider_options
@journal_option
@json_option
def command(
    provider: str,
    endpoint: str | None,
    machine: str | None,
    region: str | None,
    settings: Sequence[str],
    journal: Path,
    as_json: bool,
) -> None:
    """Find out which cloud this machine is on and whether an agent could work here.

    Exit status 0: one could; 69: no cloud can be asked; 1: something else is wrong.
    """
    checks = []
    for check in _checks(provider, options_for_provider(endpoint, machine, region, settings), journal):
        checks.append(check)
        if not as_json:
            mark = click.style("✓", fg="green") if check.ok else click.style("✗", fg="red")
            click.echo(f"{mark} {check.name}: {check.found}")
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    clouds = [check for check in checks if check.name.startswith("cloud")]
    if not any(check.ok for check in clouds):
        raise click.exceptions.Exit(ProviderUnavailable.exit_code)
    if not all(check.ok for check in checks if check not in clouds):
        raise click.exceptions.Exit(1)


def _checks(name: str, options: ProviderOptions, journal: Path) -> Iterator[Check]:
    yield _journal(journal)
    boot_id = read_boot_id()
    yield Check("boot id", True, boot_id or "none: this system has none, so reboots are told by their events alone")
    for finding in survey(options):
        if name not in {AUTO, finding.name}:
            continue
        yield _identity(finding)
        if finding.provider is not None:
            yield from _reach(finding.name, finding.provider)
            finding.provider.close()


def _journal(path: Path) -> Check:
    if path.exists():
        try:
            with Journal.read(path) as book:
                return Check("journal", os.access(path, os.W_OK), f"{path}, {len(book.episodes())} event(s)")
        except StormconeError as error:
            return Check("journal", False, str(error))
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if os.access(folder, os.W_OK):
        return Check("journal", True, f"{path}, not there yet")
    return Check("journal", False, f"{path} cannot be made: {folder} is not writable; name another with --journal")


def _identity(finding: Finding) -> Check:
    if finding.machine is None:
        return Check(f"cloud {finding.name}", False, finding.error)
    machine = finding.machine
    where = ", ".join(value for value in (machine.region, machine.zone) if value)
    return Check(f"cloud {finding.name}", True, f"this is {machine.name}" + (f" in {where}" if where else ""))


def _reach(name: str, provider: Provider) -> Iterator[Check]:
    if isinstance(provider, Explains):
        for fact, value in provider.facts().items():
            yield Check(f"{name} {fact}", True, value)
    try:
        seen = provider.poll()
    except ProviderError as error:
        yield Check(f"{name} events", False, str(error))
    else:
        yield Check(f"{name} events", True, f"{len(seen.events)} announced")
