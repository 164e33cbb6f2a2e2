"""Which cloud is this, and which of its machines: the provider that was named, or the one whose cloud answers."""

import threading
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from stormcone.clouds.contract import AUTO, Provider, ProviderOptions
from stormcone.errors import PartMissing, ProviderError, ProviderUnavailable, SettingsError, Unreachable
from stormcone.model import Machine
from stormcone.plugins import PROVIDERS, load_plugins, provider_class
from stormcone.text import one_line

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

    A provider without a machine is of a cloud that announces events and does not say which machine this is.
    """

    name: str
    provider: Provider | None
    machine: Machine | None
    error: str


def survey(options: ProviderOptions) -> Generator[Finding, None, None]:
    """Ask the installed providers, all at once, which machine this is; answers come in the order of their arrival.

    A provider that sees a machine is the caller's to close; the others are closed here, also those that have not
    answered when the caller stops listening.

    Args:
        options: for all of them; `options.provider` is the one to ask, `AUTO` asks all.

    Raises:
        PluginError: there is no such provider, or two have one name.
    """
    plugins = load_plugins(PROVIDERS)
    everybody = options.provider == AUTO
    names = sorted(plugins.found) if everybody else [options.provider]
    for broken in plugins.broken:
        if everybody:
            yield Finding(broken.name, None, None, f"the plug-in of {broken.distribution} is broken: {broken.error}")
    open_providers: dict[str, Provider] = {}
    answers: SimpleQueue[Finding] = SimpleQueue()
    try:
        for name in names:
            try:
                provider = plugins.get(name).from_options(options)
            except (ProviderError, SettingsError) as error:
                yield Finding(name, None, None, str(error))
                continue
            open_providers[name] = provider
            threading.Thread(target=_ask, args=(name, provider, answers), name=f"stormcone-{name}", daemon=True).start()
        end = time.monotonic() + DETECTED_WITHIN
        waiting = list(open_providers)
        while waiting:
            try:
                finding = answers.get(timeout=max(end - time.monotonic(), 0.0) if everybody else None)
            except Empty:
                for name in waiting:
                    yield Finding(
                        name, None, None, f"it has not said within {DETECTED_WITHIN:g} s that this is its cloud"
                    )
                break
            waiting.remove(finding.name)
            if finding.provider is not None:
                del open_providers[finding.name]
            yield finding
    finally:
        for provider in open_providers.values():
            provider.close()


def _ask(name: str, provider: Provider, answers: "SimpleQueue[Finding]") -> None:
    identity = Identity(provider)
    try:
        machine = identity.within(DETECTED_WITHIN / 2)
        if machine is None:
            elsewhere = identity.failed_by(ProviderUnavailable, Unreachable)
            machine = identity.within(None) if elsewhere else first_sight(provider, identity)
    except ProviderError as error:
        answers.put(Finding(name, None, None, str(error)))
    except Exception as error:  # noqa: BLE001 - a fault of one provider must not hide the cloud that is there
        answers.put(Finding(name, None, None, f"the provider failed: {one_line(error)}"))
    else:
        trouble = "" if machine else "it tells what is announced, but not which machine this is"
        answers.put(Finding(name, provider, machine, trouble))


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


def open_provider(options: ProviderOptions) -> Provider:
    """The provider that the options name; for `AUTO`, the first whose cloud says that this is its machine.

    Where no cloud says that, it is the one whose cloud tells what is announced, though not for which machine.

    Raises:
        PluginError: there is no such provider.
        ProviderUnavailable: `AUTO`, and no cloud answered.
        SettingsError: an option cannot be used.
    """
    if options.provider != AUTO:
        return provider_class(options.provider).from_options(options)
    reasons = []
    found: list[Provider] = []
    with closing(survey(options)) as findings:
        for finding in findings:
            if finding.provider is None:
                reasons.append(f"{finding.name}: {finding.error}")
            elif finding.machine is None:
                found.append(finding.provider)
            else:
                found.insert(0, finding.provider)
                break
    for other in found[1:]:
        other.close()
    if found:
        return found[0]
    raise ProviderUnavailable(
        "no cloud was found; name one with --provider, or say where it is with --endpoint "
        f"({'; '.join(reasons) or 'no provider is installed'})"
    )
