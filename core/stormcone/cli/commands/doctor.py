"""`stormcone doctor`: which cloud is this, and can we reach what we need?"""

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from stormcone.agent.boot_id import read_boot_id
from stormcone.agent.notices import disputed, misnamed
from stormcone.cli.configured import journal_option, source_options
from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.clock import SystemClock
from stormcone.clouds.contract import AUTO, Explains, Provider, ProviderOptions, Source
from stormcone.detect import survey
from stormcone.errors import ProviderError, ProviderUnavailable, StormconeError
from stormcone.journal import Journal
from stormcone.journal.sqlite.damage import damaged
from stormcone.model import Machine
from stormcone.plugins import provider_class
from stormcone.text import printable


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: whether it is well, and what was found."""

    name: str
    ok: bool
    found: str


@click.command("doctor")
@source_options
@journal_option
@json_option
def command(
    source: Source,
    journal: Path,
    as_json: bool,
) -> None:
    """Find out which cloud this machine is on and whether an agent could work here.

    Exit status 0: one could; 69: no cloud can be asked; 1: something else is wrong.
    """
    checks = []
    for check in _checks(ProviderOptions.of(source, SystemClock()), journal):
        checks.append(check)
        if not as_json:
            mark = click.style("✓", fg="green") if check.ok else click.style("✗", fg="red")
            say(f"{mark} {printable(check.name)}: {printable(check.found)}")
    if as_json:
        print_json({"checks": [asdict(check) for check in checks]})
    clouds = [check for check in checks if check.name.startswith("cloud")]
    if not any(check.ok for check in clouds):
        say("No cloud was found. To see everything without one: stormcone demo", err=True)
        raise click.exceptions.Exit(ProviderUnavailable.exit_code)
    if not all(check.ok for check in checks if check not in clouds):
        raise click.exceptions.Exit(1)


def _checks(options: ProviderOptions, journal: Path) -> Iterator[Check]:
    if options.provider != AUTO:
        provider_class(options.provider)  # so that a wrong name is said at once
    yield _journal(journal)
    for kept in damaged(journal):
        yield Check("damaged journal", False, f"{kept} was set aside: see what it leaves to be done, and move it away")
    boot_id = read_boot_id()
    yield Check("boot id", True, boot_id or "none: this system has none, so reboots are told by their events alone")
    for finding in survey(options):
        if finding.provider is None:
            yield Check(f"cloud {finding.name}", False, finding.error)
            continue
        with closing(finding.provider) as provider:
            if finding.machine is None:
                yield Check(f"cloud {finding.name}", False, finding.error)
                continue
            yield Check(f"cloud {finding.name}", True, f"this is {_where(finding.machine)}")
            if dispute := disputed(finding.machine):
                yield Check(f"{finding.name} machine", False, dispute)
            yield from _reach(finding.name, provider, finding.machine)


def _journal(path: Path) -> Check:
    if path.exists():
        try:
            with Journal.read(path) as book:
                found = f"{path}, {len(book.episodes())} event(s)"
        except StormconeError as error:
            return Check("journal", False, str(error))
        writable = os.access(path, os.W_OK)
        return Check("journal", writable, found if writable else f"{path} may not be written by this user")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return Check("journal", True, f"{path}, not there yet")
    return Check("journal", False, f"{path} cannot be made: {folder} cannot be written; name another with --journal")


def _where(machine: Machine) -> str:
    return ", ".join(value for value in (machine.name, machine.region, machine.zone) if value)


def _reach(name: str, provider: Provider, machine: Machine) -> Iterator[Check]:
    if isinstance(provider, Explains):
        for fact, value in provider.facts().items():
            yield Check(f"{name} {fact}", True, value)
    try:
        seen = provider.poll()
    except ProviderError as error:
        yield Check(f"{name} events", False, str(error))
    else:
        said = [f"{len(seen.events)} announced", *misnamed(seen.events, machine), *seen.problems]
        yield Check(f"{name} events", not seen.problems, "; ".join(said))
