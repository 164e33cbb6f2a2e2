"""What `doctor` looks at in a cloud: which machine this is, by harmless calls what may be asked, and how fast.

Nothing is asked that an agent would not ask when it polls, so what is refused here would be refused there.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic
from urllib.parse import urlsplit

from stormcone.agent.notices import disputed, misnamed
from stormcone.cli.checks.check import Check, bad, doubtful, plain, well
from stormcone.clouds.contract import Explains, Permissions, Provider, ProviderOptions, Right
from stormcone.clouds.exchange import Exchange
from stormcone.detect import survey
from stormcone.errors import ProviderError
from stormcone.model import Machine, Scope
from stormcone.text import span

SLOW = 1.0
"""Seconds that a poll may take before somebody should look."""

SKEWED = timedelta(seconds=5)
"""A difference from the cloud's clock that should be looked at: some notices are half a minute."""

WRONG = timedelta(minutes=1)
"""A difference with which deadlines mean nothing; of a few minutes, signatures are refused too."""


class Listening:
    """Hears what is asked of a cloud while it is looked at."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heard: list[Exchange] = []

    def hear(self, exchange: Exchange) -> None:
        """A tap."""
        with self._lock:
            self._heard.append(exchange)

    @property
    def heard(self) -> tuple[Exchange, ...]:
        """What was asked, oldest first."""
        with self._lock:
            return tuple(self._heard)


def checks(options: ProviderOptions) -> Iterator[Check]:
    """Each cloud that may be this one, as its answer comes."""
    listening = Listening()
    others = []
    found = False
    for finding in survey(replace(options, tap=listening.hear)):
        if finding.provider is None:
            others.append(finding)
            continue
        found = True
        with closing(finding.provider) as provider:
            if finding.machine is None:
                yield bad(f"cloud {finding.name}", finding.error)
                continue
            yield well(f"cloud {finding.name}", f"this is {_where(finding.machine)}")
            yield from _looked_at(finding.name, provider, finding.machine, listening)
            if options.endpoint is None:  # a simulator has a clock of its own
                yield from clock(finding.name, listening.heard)
    for other in others:
        name = f"cloud {other.name}"
        yield plain(name, f"not found here: {other.error}", ok=False) if found else bad(name, other.error)


def _looked_at(name: str, provider: Provider, machine: Machine, listening: Listening) -> Iterator[Check]:
    if dispute := disputed(machine):
        yield bad(f"{name} machine", dispute)
    names = dict.fromkeys((machine.name, machine.id, *machine.aliases))
    named = "all events of the region are its own"
    if machine.scope is Scope.MACHINE:
        named = f"events are this machine's where they name {' or '.join(filter(None, names))}"
    yield well(f"{name} names", named)
    if isinstance(provider, Explains):
        for fact, value in provider.facts().items():
            yield well(f"{name} {fact}", value)
    before = len(listening.heard)
    begun = monotonic()
    try:
        seen = provider.poll()
    except ProviderError as error:
        yield bad(f"{name} events", str(error))
    else:
        said = "; ".join([f"{len(seen.events)} announced", *misnamed(seen.events, machine), *seen.problems])
        yield bad(f"{name} events", said) if seen.problems else well(f"{name} events", said)
        yield latency(name, monotonic() - begun)
    yield from calls(name, listening.heard[before:])
    yield from rights(name, provider)


def rights(name: str, provider: Provider) -> Iterator[Check]:
    """What the caller of the cloud's API may do, as far as that can be asked without doing it."""
    if not provider.capabilities.permissions:
        yield plain(f"{name} permissions", "none are needed")
    elif not isinstance(provider, Permissions):
        needed = ", ".join(provider.capabilities.permissions)
        yield plain(f"{name} permissions", f"cannot be asked for; these may be needed: {needed}")
    else:
        for right in provider.rights():
            yield _right(f"{name} permission {right.permission}", right)


def _right(name: str, right: Right) -> Check:
    if right.granted is None:
        return plain(name, f"not known: {right.why}")
    return well(name, "granted") if right.granted else doubtful(name, "refused", right.why)


def _where(machine: Machine) -> str:
    return ", ".join(value for value in (machine.name, machine.region, machine.zone) if value)


def latency(name: str, seconds: float) -> Check:
    """How long a poll took."""
    found = f"a poll takes {seconds * 1000:,.0f} ms"
    if seconds < SLOW:
        return well(f"{name} latency", found)
    return doubtful(f"{name} latency", found, "look for a proxy, a slow resolver or a busy machine on the way")


def calls(name: str, heard: Sequence[Exchange]) -> Iterator[Check]:
    """What the cloud answered to each kind of call that a poll makes, where it refused one: permissions, mostly."""
    for status, call in dict.fromkeys((each.status, _call(each)) for each in heard):
        if status in {401, 403}:
            yield bad(f"{name} permission", f"{call} was refused ({status})", "grant what the cloud's page here lists")


def _call(exchange: Exchange) -> str:
    url = urlsplit(exchange.url)
    return f"{exchange.method} {url.hostname}{url.path}"


def clock(name: str, heard: Sequence[Exchange]) -> Iterator[Check]:
    """How far this machine's clock is from the cloud's, by the dates of its answers; they are whole seconds."""
    for exchange in reversed(heard):
        dates = [value for key, value in exchange.headers.items() if key.lower() == "date"]
        try:
            theirs = parsedate_to_datetime(dates[0]).astimezone(UTC)
        except (IndexError, ValueError, TypeError):
            continue
        apart = max(abs(exchange.at - theirs) - timedelta(seconds=1), timedelta(0))
        found = f"{span(apart)} from the cloud's" if apart else "as the cloud's"
        advice = "let NTP or chrony set this machine's clock"
        if apart >= WRONG:
            yield bad(f"{name} clock", found, advice)
        elif apart >= SKEWED:
            yield doubtful(f"{name} clock", found, advice)
        else:
            yield well(f"{name} clock", found)
        return
