"""Which cloud is this: the provider that was named, or the one whose cloud answers."""

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from queue import SimpleQueue

from stormcone.clouds.contract import AUTO, Provider, ProviderOptions
from stormcone.errors import PartMissing, ProviderError, ProviderUnavailable, SettingsError
from stormcone.model import Machine
from stormcone.plugins import PROVIDERS, load_plugins, provider_class
from stormcone.text import one_line


@dataclass(frozen=True)
class Finding:
    """What came of asking one provider: itself, open, and the machine that it sees; or why it sees none."""

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
        for _ in range(len(open_providers)):
            finding = answers.get()
            if finding.provider is not None:
                del open_providers[finding.name]
            yield finding
    finally:
        for provider in open_providers.values():
            provider.close()


def _ask(name: str, provider: Provider, answers: "SimpleQueue[Finding]") -> None:
    try:
        answers.put(Finding(name, provider, provider.identify(), ""))
    except ProviderError as error:
        answers.put(Finding(name, None, None, str(error)))
    except Exception as error:  # noqa: BLE001 - a fault of one provider must not hide the cloud that is there
        answers.put(Finding(name, None, None, f"the provider failed: {one_line(error)}"))


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

    Raises:
        PluginError: there is no such provider.
        ProviderUnavailable: `AUTO`, and no cloud answered.
        SettingsError: an option cannot be used.
    """
    if options.provider != AUTO:
        return provider_class(options.provider).from_options(options)
    reasons = []
    with closing(survey(options)) as findings:
        for finding in findings:
            if finding.provider is not None:
                return finding.provider
            reasons.append(f"{finding.name}: {finding.error}")
    raise ProviderUnavailable(
        "no cloud was found; name one with --provider, or say where it is with --endpoint "
        f"({'; '.join(reasons) or 'no provider is installed'})"
    )
