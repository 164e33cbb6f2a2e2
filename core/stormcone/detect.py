"""Which cloud is this, and which of its machines: the provider that was named, or the one whose cloud is found.

Cheap local signs come first: where a machine's own files say whose it is, nobody else is asked, and that provider is
chosen although its service may not answer now. Else all are asked side by side.
"""

import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from stormcone.clouds.contract import AUTO, Provider, ProviderOptions
from stormcone.clouds.signs import sign_seen
from stormcone.errors import PartMissing, ProviderError, ProviderUnavailable, SettingsError, Unreachable
from stormcone.model import Machine
from stormcone.plugins import PROVIDERS, Plugins, load_plugins, provider_class
from stormcone.text import one_line

ROOT = Path("/")
"""Below which the machine's own files are."""

PATIENCE = 2.0
"""Real seconds that a cloud has to say which machine this is before it is asked for events as well."""

DETECTED_WITHIN = 2.0
"""Real seconds after which a cloud that has said nothing is not this one: its service would be near.

It has half of them to say which machine this is before it is asked for events as well.
"""


class Identity:
    """Which machine this is, asked beside whatever else is done: an instance endpoint may fail where events are given.

    Args:
        provider: who is asked, once, in a thread of its own.
    """

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._machine: Machine | None = None
        self._error: ProviderError | None = None
        self._answered = threading.Event()
        threading.Thread(target=self._ask, name=f"stormcone-{provider.name}", daemon=True).start()

    def within(self, seconds: float | None) -> Machine | None:
        """The machine where the cloud has said it within so many real seconds, else None; None waits for an answer.

        Raises:
            ProviderError: it was waited for and could not be told.
        """
        self._answered.wait(seconds)
        if seconds is None and self._error is not None:
            raise self._error
        return self._machine

    def failed_by(self, *kinds: type[ProviderError]) -> bool:
        """Whether it was answered already, by one of these errors."""
        return isinstance(self._error, kinds)

    @property
    def trouble(self) -> str:
        """Why it is not known, as a sentence; "" where it is."""
        if self._machine is not None:
            return ""
        return str(self._error or f"the cloud has not said which machine this is within {PATIENCE:g} s")

    def _ask(self) -> None:
        try:
            self._machine = self._provider.identify()
        except ProviderError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - a fault of one provider must not hide the cloud that is there
            self._error = ProviderUnavailable(f"the provider failed: {one_line(error)}")
        self._answered.set()


def first_sight(provider: Provider, identity: Identity) -> Machine | None:
    """Ask what is announced: where the cloud says that, it need not say at once which machine this is.

    Args:
        provider: who is asked.
        identity: which machine this is, under way.

    Answers the machine where that is known by then.

    Raises:
        ProviderError: it says neither, and the error is about the machine; or what is announced cannot be asked for a
            reason that does not pass.
    """
    try:
        provider.poll()
    except ProviderError as error:
        machine = identity.within(None)
        if isinstance(error, ProviderUnavailable) or not error.passing:
            raise
        return machine
    return identity.within(0.0)


@dataclass(frozen=True)
class Finding:
    """What came of asking one provider: itself, open, and the machine that it sees; or why it sees none.

    A provider without a machine is of a cloud that announces events and does not say which machine this is (`tells`),
    or of one whose sign the machine bears and that does not answer.
    """

    name: str
    provider: Provider | None
    machine: Machine | None
    error: str
    sign: str = ""
    tells: bool = False

    @property
    def why(self) -> str:
        """Why it is taken, as a clause."""
        heard = f"it says that this is {self.machine.name}" if self.machine else self.error
        return "; ".join(filter(None, (self.sign, heard)))


def survey(options: ProviderOptions) -> Generator[Finding, None, None]:
    """Ask the installed providers, all at once, which machine this is; answers come in the order of their arrival.

    With `AUTO`, only those are asked whose signs the machine bears, if there are such: all the others are told of with
    the reason. A signed one is found although it does not answer.

    A provider that is found is the caller's to close; the others are closed here, also those that have not answered
    when the caller stops listening.

    Args:
        options: for all of them; `options.provider` is the one to ask, `AUTO` asks all.

    Raises:
        PluginError: there is no such provider, or two have one name.
    """
    plugins = load_plugins(PROVIDERS)
    everybody = options.provider == AUTO
    names = sorted(plugins.found) if everybody else [options.provider]
    signs = _signs(plugins) if everybody and options.endpoint is None else {}
    if everybody:
        for broken in plugins.broken:
            yield Finding(broken.name, None, None, f"the plug-in of {broken.distribution} is broken: {broken.error}")
        for name in sorted(set(names) - set(signs)) if signs else ():
            yield Finding(name, None, None, f"it was not asked: {'; '.join(signs.values())}")
    asked = _Asked(signs, DETECTED_WITHIN if everybody else None)
    try:
        for name in sorted(signs) or names:
            try:
                asked.ask(name, plugins.get(name).from_options(options.of_provider(name)))
            except (ProviderError, SettingsError) as error:
                yield Finding(name, None, None, str(error))
        yield from asked.findings()
    finally:
        asked.close()


def _signs(plugins: Plugins) -> dict[str, str]:
    """The providers whose signs this machine bears, each with the sign as a clause."""
    seen = {name: sign_seen(getattr(plugin, "signs", ()), ROOT) for name, plugin in plugins.found.items()}
    return {name: sign for name, sign in seen.items() if sign}


class _Asked:
    """The providers that were asked and whose answers nobody has taken yet.

    Args:
        signs: of those that count as found although they do not answer, the sign as a clause.
        within: real seconds after which answers count no more; None waits for them: who is asked was named.
    """

    def __init__(self, signs: Mapping[str, str], within: float | None) -> None:
        self._signs = signs
        self._within = within
        self._waiting: dict[str, Provider] = {}
        self._answers: SimpleQueue[Finding] = SimpleQueue()

    def ask(self, name: str, provider: Provider) -> None:
        """Ask one, in a thread of its own."""
        self._waiting[name] = provider
        ask = partial(_ask, name, provider, self._answers, patient=self._within is None)
        threading.Thread(target=ask, name=f"stormcone-{name}", daemon=True).start()

    def findings(self) -> Iterator[Finding]:
        """The answers, in the order of their arrival."""
        within = self._within
        end = None if within is None else time.monotonic() + within
        while self._waiting:
            try:
                finding = self._answers.get(timeout=None if end is None else max(end - time.monotonic(), 0.0))
            except Empty:
                silent = f"it has not said within {within:g} s that this is its cloud"
                for name in list(self._waiting):
                    yield self._settled(Finding(name, None, None, silent))
                return
            yield self._settled(finding)

    def _settled(self, finding: Finding) -> Finding:
        """What is made of an answer: a provider whose sign is here is found, one that is not found is closed."""
        provider = self._waiting.pop(finding.name)
        sign = self._signs.get(finding.name, "")
        if finding.provider is None and not sign:
            provider.close()
            return finding
        return replace(finding, provider=provider, sign=sign)

    def close(self) -> None:
        """Close those that nobody has taken."""
        for provider in self._waiting.values():
            provider.close()
        self._waiting.clear()


def _ask(name: str, provider: Provider, answers: "SimpleQueue[Finding]", *, patient: bool) -> None:
    identity = Identity(provider)
    try:
        machine = identity.within(DETECTED_WITHIN / 2)
        if machine is None:
            begun = time.monotonic()
            elsewhere = identity.failed_by(ProviderUnavailable, Unreachable)
            machine = identity.within(None) if elsewhere else first_sight(provider, identity)
            if patient:  # a busy machine may load a vendor's SDK for seconds, and so took long over the events as well
                machine = machine or identity.within(max(PATIENCE, 2 * (time.monotonic() - begun)))
    except ProviderError as error:
        answers.put(Finding(name, None, None, str(error)))
    except Exception as error:  # noqa: BLE001 - a fault of one provider must not hide the cloud that is there
        answers.put(Finding(name, None, None, f"the provider failed: {one_line(error)}"))
    else:
        trouble = "" if machine else "it tells what is announced, but not which machine this is"
        answers.put(Finding(name, provider, machine, trouble, tells=True))


def lacking(name: str) -> str:
    """What has to be installed before the provider of that name can work, in one sentence; "" where nothing is.

    Raises:
        PluginError: there is no such provider.
    """
    try:
        with closing(provider_class(name).from_options(ProviderOptions(endpoint="http://127.0.0.1"))):
            return ""
    except PartMissing as error:
        return str(error)
    except (ProviderError, SettingsError):
        return ""


@dataclass(frozen=True)
class Choice:
    """The provider that was chosen, open, and why, as a clause."""

    provider: Provider
    why: str


def choose(options: ProviderOptions) -> Choice:
    """The provider that the options name; for `AUTO`, the one whose sign is here, or whose cloud answers first.

    Of those that answer, one that says which machine this is counts for more than one that only tells what is
    announced, and that for more than one that does not answer and whose sign is here.

    Args:
        options: for all of them.

    Raises:
        PluginError: there is no such provider.
        ProviderUnavailable: `AUTO`, and no cloud answered.
        SettingsError: an option cannot be used.
    """
    if options.provider != AUTO:
        given = options.of_provider(options.provider)
        return Choice(provider_class(options.provider).from_options(given), "it was named")
    reasons = []
    found: list[Finding] = []
    with closing(survey(options)) as findings:
        for finding in findings:
            if finding.provider is None:
                reasons.append(f"{finding.name}: {finding.error}")
                continue
            found.append(finding)
            if finding.machine is not None:
                break
    best = min(found, key=lambda each: (each.machine is None, not each.tells), default=None)
    for other in found:
        if other is not best and other.provider is not None:
            other.provider.close()
    if best is not None and best.provider is not None:
        return Choice(best.provider, best.why)
    raise ProviderUnavailable(
        "no cloud was found; name one with --provider, or say where it is with --endpoint "
        f"({'; '.join(reasons) or 'no provider is installed'})"
    )


def open_provider(options: ProviderOptions) -> Provider:
    """The provider that `choose` chooses."""
    return choose(options).provider
