"""Which cloud is this: the provider that was named, or the one whose cloud answers."""

from collections.abc import Iterator
from dataclasses import dataclass

from stormcone.errors import ProviderError, ProviderUnavailable, SettingsError
from stormcone.model import Machine
from stormcone.plugins import PROVIDERS, load_plugins, provider_class
from stormcone.provider import Provider, ProviderOptions

AUTO = "auto"


@dataclass(frozen=True)
class Finding:
    """What came of asking one provider: the machine that it sees, or why it sees none."""

    name: str
    provider: Provider | None
    machine: Machine | None
    error: str


def survey(options: ProviderOptions) -> Iterator[Finding]:
    """Ask each installed provider in turn which machine this is. Providers that see none are closed again."""
    plugins = load_plugins(PROVIDERS)
    for broken in plugins.broken:
        yield Finding(broken.name, None, None, f"the plug-in of {broken.distribution} is broken: {broken.error}")
    for name in sorted(plugins.found):
        provider: Provider | None = None
        try:
            provider = provider_class(name).from_options(options)
            yield Finding(name, provider, provider.identify(), "")
        except (ProviderError, SettingsError) as error:
            if provider is not None:
                provider.close()
            yield Finding(name, None, None, str(error))


def open_provider(name: str, options: ProviderOptions) -> Provider:
    """The provider of that name; for `auto`, the first whose cloud says that this is its machine.

    Raises:
        PluginError: there is no such provider.
        ProviderUnavailable: `auto`, and no cloud answered.
        SettingsError: an option cannot be used.
    """
    if name != AUTO:
        return provider_class(name).from_options(options)
    reasons = []
    for finding in survey(options):
        if finding.provider is not None:
            return finding.provider
        reasons.append(f"{finding.name}: {finding.error}")
    raise ProviderUnavailable(
        f"no cloud was found; name one with --provider, or a simulator with --endpoint ({'; '.join(reasons)})"
    )
