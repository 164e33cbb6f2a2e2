"""What `doctor` looks at on this machine: the journal, the agent, the boot id, the plug-ins, the proxies."""

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from requests.utils import should_bypass_proxies

from stormcone.agent.boot_id import read_boot_id
from stormcone.cli.checks.check import Check, bad, doubtful, well
from stormcone.cli.options import beside
from stormcone.errors import PluginError, StormconeError
from stormcone.health.client import ask
from stormcone.health.disk import journal_trouble
from stormcone.health.face import READY
from stormcone.journal.places import Place, holder_of_lease, read_journal, set_aside_before
from stormcone.plugins import PROVIDERS, SIMULATORS, SINKS, load_plugins
from stormcone.postgresql.address import DatabaseAddress

GROUPS = (PROVIDERS, SIMULATORS, SINKS)
"""The kinds of plug-ins that are looked through."""

METADATA_HOSTS = ("169.254.169.254", "100.100.100.200", "metadata.google.internal")
"""Where the clouds' metadata services are: no proxy leads there."""


def checks(journal: Place, environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """All of them, each as soon as it has been looked at."""
    yield _journal(journal)
    for kept in set_aside_before(journal):
        yield bad("damaged journal", f"{kept} was set aside", "see what it leaves to be done, and move it away")
    yield _agent(journal)
    boot_id = read_boot_id()
    yield well("boot id", boot_id or "none: this system has none, so only their events tell of reboots")
    yield from plugins()
    yield from proxies(environment)


def _journal(path: Place) -> Check:
    if not isinstance(path, Path):
        return _database(path)
    if path.exists():
        try:
            with read_journal(path) as book:
                found = f"{path}, {len(book.episodes())} event(s)"
        except StormconeError as error:
            return bad("journal", str(error))
        trouble = journal_trouble(str(path))
        advice = "make room, or let its folder be written by the user that runs the agent"
        return bad("journal", trouble, advice) if trouble else well("journal", found)
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if folder.is_dir() and os.access(folder, os.W_OK):
        return well("journal", f"{path}, not there yet")
    return bad("journal", f"{path} cannot be made: {folder} cannot be written", "name another with --journal")


def _database(address: DatabaseAddress) -> Check:
    try:
        with read_journal(address) as book:
            found = f"{address}, {len(book.episodes())} event(s)"
        lease = holder_of_lease(address)
    except StormconeError as error:
        return bad("journal", str(error))
    return well("journal", f"{found}; {lease or 'nobody holds its lease'}")


def _agent(journal: Place) -> Check:
    try:
        answer = ask(beside(journal), READY)
    except StormconeError:
        return well("agent", "none runs with this journal")
    reasons = "; ".join(answer.get("reasons", ()))
    if answer.get("status") == "ready":
        return well("agent", "one runs with this journal, and is ready")
    return doubtful("agent", f"the one that runs with this journal is not ready: {reasons}", "stormcone status")


def plugins(groups: Collection[str] = GROUPS) -> Iterator[Check]:
    """The plug-ins that are installed; each that cannot be used, with why."""
    for group in groups:
        kind = group.removeprefix("stormcone.")
        try:
            found = load_plugins(group)
        except PluginError as error:
            yield bad(kind, str(error), "uninstall one of the two")
            continue
        for broken in found.broken:
            yield doubtful(
                f"plug-in {broken.name}",
                f"that of {broken.distribution} cannot be used: {broken.error}",
                "install what it lacks, another version of it, or uninstall it",
            )
        yield well(kind, ", ".join(sorted(found.found)) or "none")


def proxies(environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """The environment's proxies, and whether what is link-local would go through one."""
    lowered = {name.lower(): value for name, value in environment.items()}
    names = [name for name in ("http_proxy", "https_proxy", "all_proxy") if lowered.get(name)]
    if not names:
        return
    left_out = lowered.get("no_proxy", "")
    caught = [host for host in METADATA_HOSTS if not should_bypass_proxies(f"http://{host}/", left_out)]
    if caught:
        yield doubtful(
            "proxies",
            f"{', '.join(names)} would lead what asks {', '.join(caught)} astray; the agent itself goes past it",
            f"for commands and SDKs of yours: NO_PROXY={','.join(METADATA_HOSTS)}",
        )
    else:
        yield well("proxies", f"{', '.join(names)}; metadata services are left out of it")
