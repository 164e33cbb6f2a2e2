"""The shards that a configuration names: regions, or parts of them, which watchers of one database share."""

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

from stormcone.clock import SystemClock
from stormcone.clouds.contract import AUTO, Acknowledges, ProviderOptions, Source
from stormcone.config.complaints import meant, no_such_key
from stormcone.config.load import Configuration
from stormcone.config.model import ProviderTable, ShardTable
from stormcone.config.names import fields_of, nearest
from stormcone.errors import PluginError, SettingsError
from stormcone.journal.shards import SharedShard
from stormcone.model import Scope
from stormcone.plugins import provider_class
from stormcone.postgresql.address import LONGEST_NAME, DatabaseAddress
from stormcone.recording.secrets import is_secret
from stormcone.rules.sharding import Part

TABLES = "shards"

_SCOPE = "scope"
"""The setting by which providers that can watch a machine or a region choose."""

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True)
class Shard:
    """A region, or a part of one, that one watcher at a time watches.

    Attributes:
        name: its own: the table's, and `_KofN` for one of its parts.
        table: the table's name, one for all parts.
        source: where its events come from.
        part: which of them are its.
        journal: where it is kept what was seen and done there: a journal of its own.
    """

    name: str
    table: str
    source: Source
    part: Part
    journal: DatabaseAddress

    @property
    def shared(self) -> SharedShard:
        """What all watchers must agree on."""
        return SharedShard(
            name=self.name,
            table=self.table,
            provider=self.source.provider,
            region=self.source.region or "",
            part=self.part,
            journal=self.journal.own["journal"],
            source=digest_of(self.source),
        )


def shards_of(configuration: Configuration) -> dict[str, Shard]:
    """All of them, by name; nobody is asked.

    Raises:
        SettingsError: there are none, one cannot be used, or the journal is no database.
        PluginError: a provider is not installed.
        ProviderUnavailable: a part that a provider needs is not installed.
    """
    settings = configuration.settings
    if not settings.shards:
        raise SettingsError('there is nothing to share; add [shards.NAME] with region = "..." to the configuration')
    if not isinstance(settings.journal, DatabaseAddress):
        raise SettingsError('watchers share shards by their journals; set journal = "postgresql://..." as well')
    for key in ("endpoint", "machine", "region"):
        if getattr(settings, key):
            error = SettingsError(
                "it is not for shards; set it in [shards.NAME], or in [providers.NAME] for all of a cloud"
            )
            raise configuration.placed(error, (key,))
    sources: dict[str, Source] = {}
    for name, table in settings.shards.items():
        try:
            sources[name] = _checked(name, table, _source(configuration, name, table), sources)
        except (SettingsError, PluginError) as error:
            own = getattr(error, "setting", "")
            path = (TABLES, name, own) if own in table.settings else (TABLES, name)
            if meant(error, ShardTable):
                origin = configuration.origin(path, key=True)
                raise SettingsError(no_such_key(path, origin, fields_of(ShardTable))) from error
            raise configuration.placed(error, path, key=True) from error
    shards = [
        _shard(configuration, name, source, Part(number, settings.shards[name].parts), settings.journal)
        for name, source in sources.items()
        for number in range(1, settings.shards[name].parts + 1)
    ]
    return {shard.name: shard for shard in shards}


def shard_of(configuration: Configuration) -> Shard | None:
    """The one that is to be watched here alone; None where none is named.

    Raises:
        SettingsError: there is no such shard, or as `shards_of`; or there are shards, and none is named.
    """
    settings = configuration.settings
    if settings.shard is None:
        if settings.shards:
            error = SettingsError("`stormcone watch` shares it; start that, or name one shard with --shard")
            raise configuration.placed(error, (TABLES, next(iter(settings.shards))), key=True)
        return None
    found = shards_of(configuration)
    if settings.shard not in found:
        near = nearest(settings.shard, found)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(found)}"
        raise configuration.placed(SettingsError(f"there is no such shard; {hint}"), ("shard",))
    return found[settings.shard]


def _source(configuration: Configuration, name: str, table: ShardTable) -> Source:
    """Where its events come from: what its table says before what `[providers.NAME]` says of all of that cloud."""
    settings = configuration.settings
    provider = table.provider or (settings.provider[0] if len(settings.provider) == 1 else AUTO)
    if provider == AUTO:
        near = nearest("provider", table.settings)
        raise SettingsError(
            f"it says no provider, and {near} is no key of it; did you mean provider?"
            if near
            else 'it says no provider; add provider = "alibaba", for example'
        )
    own = settings.providers.get(provider, ProviderTable())
    given = {**own.settings, **table.settings}
    if provider_class(provider).capabilities.scope is not Scope.REGION:
        given.setdefault(_SCOPE, Scope.REGION.value)  # of one that watches either, a shard is a region
    return Source(
        provider=provider,
        endpoint=table.endpoint or own.endpoint,
        region=table.region or name,
        settings=given,
    )


def _shard(configuration: Configuration, table: str, source: Source, part: Part, address: DatabaseAddress) -> Shard:
    name = table if part.of == 1 else f"{table}_{part}"
    journal = f"{address.own.get('journal', 'main')}_{name}"
    if len(journal) > LONGEST_NAME:
        why = f"its journal would be called {journal}, and {LONGEST_NAME} characters are the most; choose a shorter one"
        raise configuration.placed(SettingsError(why), (TABLES, table), key=True)
    return Shard(name, table, source, part, address.but(journal=journal))


def digest_of(source: Source) -> str:
    """A digest of what says which region of which account a source is: all that is said of it but for secrets."""
    said = {name: value for name, value in source.settings.items() if not _opens_doors(name, value)}
    whole = [source.provider, source.endpoint, source.region, sorted(said.items())]
    return sha256(json.dumps(whole).encode()).hexdigest()


def _opens_doors(name: str, value: str) -> bool:
    """Whether a setting is a secret, or an address that may hold one, and not who somebody is or where that stands."""
    return (is_secret(name) and not name.endswith(("-id", "-file"))) or ("://" in value and "@" in value)


def _checked(name: str, table: ShardTable, source: Source, others: Mapping[str, Source]) -> Source:
    """The source, where it can be shared.

    Raises:
        SettingsError: as `shards_of`.
    """
    if not set(name) <= _LETTERS or name.startswith("-"):
        raise SettingsError("the name of a shard has a-z, 0-9 and -, and a letter or digit first; choose such a name")
    of_a_machine = SettingsError(
        f"a shard is a region, and {source.provider} watches one machine here; take a provider that can watch a region"
    )
    try:
        provider = provider_class(source.provider).from_options(ProviderOptions.of(source, SystemClock()))
    except SettingsError as error:
        raise of_a_machine if error.setting == _SCOPE and _SCOPE not in table.settings else error from None
    with closing(provider):
        if provider.capabilities.scope is not Scope.REGION:
            raise of_a_machine
        if table.parts > 1 and isinstance(provider, Acknowledges):
            raise SettingsError(
                f"{source.provider} is told each event once, so one watcher must hear all of them; leave parts out"
            )
    same = next((other for other, known in others.items() if digest_of(known) == digest_of(source)), None)
    if same is not None:
        raise SettingsError(f"it is what {same} is, so each event would be handled twice; leave one of them out")
    return source
