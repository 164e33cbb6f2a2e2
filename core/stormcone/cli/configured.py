"""The options of `run`, which `config` shows: flags, the strongest layer of the configuration."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click
from click.core import ParameterSource

from stormcone.agent.settings import GRACE, KEEP
from stormcone.cli.command_line import CommandLine
from stormcone.cli.options import (
    ENDPOINT_HELP,
    JOURNAL_PLACES,
    Command,
    JournalAt,
    Place,
    Span,
    default_journal,
    gathered,
    sources_from,
)
from stormcone.clouds.contract import AUTO, Source
from stormcone.clouds.settings import address
from stormcone.config.build import Incomplete, NoHandlers, app_of
from stormcone.config.complaints import meant, no_such_key
from stormcone.config.kinds import ANNOUNCED
from stormcone.config.load import FILE_VARIABLE, USUAL_FILE, Configuration, load
from stormcone.config.model import ProviderTable
from stormcone.config.names import fields_of, nearest, variable_of
from stormcone.errors import SettingsError
from stormcone.handlers import App
from stormcone.health.addresses import PORT
from stormcone.plugins import PROVIDERS, load_plugins

CONFIG_HELP = (
    "The configuration, a TOML file; flags and variables are stronger. `stormcone config` shows what is in force."
)


class _Layered(click.Option):
    """An option whose variable the configuration reads, so that it knows where each value comes from."""

    def __init__(self, *args: Any, **given: Any) -> None:
        super().__init__(*args, **given)
        self.envvar = variable_of((self.setting,))
        self.show_envvar = True

    @property
    def setting(self) -> str:
        """What it is called in the configuration."""
        return max(self.opts, key=len).removeprefix("--").replace("-", "_")

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:  # noqa: ARG002 - click's face
        """Nothing."""
        return None


class _Lead(Span):
    """A length of time, or `announced`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value as the configuration takes it; fails with one sentence."""
        return value if value == ANNOUNCED else super().convert(value, param, ctx)


def _option(*names: str, **given: Any) -> Callable[[Command], Command]:
    return click.option(*names, cls=_Layered, default=None, **given)


def _flag(*names: str, **given: Any) -> Callable[[Command], Command]:
    return click.option(*names, cls=_Layered, is_flag=True, default=False, **given)


_FILE = f"{__name__}.file"


def _remember(context: click.Context, parameter: click.Parameter, value: Path | None) -> None:
    """Keep what `--config` names for all of a command; what a group was given counts for those below it."""
    given = context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE
    if given or _FILE not in context.meta:
        context.meta[_FILE] = value


config_option = click.option(
    "--config",
    metavar="FILE",
    type=click.Path(path_type=Path),
    is_eager=True,
    expose_value=False,
    callback=_remember,
    envvar=FILE_VARIABLE,
    show_envvar=True,
    show_default=f"{USUAL_FILE}, if it is there",
    help=CONFIG_HELP,
)


def named_file() -> Path | None:
    """The file that `--config` names to the command that runs; None where it names none."""
    file: Path | None = click.get_current_context().meta.get(_FILE)
    return file


def _journal() -> Place:
    return load(file=named_file()).settings.journal or default_journal()


journal_option = click.option(
    "--journal",
    type=JournalAt(),
    metavar="FILE|URL",
    envvar=variable_of(("journal",)),
    show_envvar=True,
    default=_journal,
    show_default=f"the configuration's, else {JOURNAL_PLACES}",
    help="The agent's journal: the file, or the database (postgresql://...), that records what was seen and done.",
)
"""The journal; where it is not given, as the configuration says. It goes with `config_option`."""


def _source(
    provider: str | None, endpoint: str | None, machine: str | None, region: str | None, settings: Sequence[str]
) -> Source:
    given = {"provider": provider, "endpoint": endpoint, "machine": machine, "region": region}
    flags: dict[str, Any] = {name: (value,) for name, value in given.items() if value is not None}
    (first, *_) = sources_of(load(file=named_file(), flags={**flags, **({"set": settings} if settings else {})}))
    return first


OPTIONS = {
    "file": click.argument("file", metavar="[FILE.py[:APP]]", required=False),
    "config": config_option,
    "provider": _option(
        "--provider",
        metavar="CLOUD",
        multiple=True,
        help="The cloud to ask; `stormcone providers` lists them. Repeat it for several: the first one says which "
        f"machine this is, the others may report its events too.  [default: {AUTO}]",
    ),
    "endpoint": _option(
        "--endpoint", metavar="URL", multiple=True, help=f"{ENDPOINT_HELP} For one of several providers: PROVIDER=URL."
    ),
    "machine": _option(
        "--machine",
        metavar="NAME",
        multiple=True,
        help="This machine's name in events; default: ask the cloud. For another provider than the first: "
        "PROVIDER=NAME.",
    ),
    "region": _option(
        "--region",
        metavar="NAME",
        multiple=True,
        help="The cloud's region; default: ask the cloud. For one of several providers: PROVIDER=NAME.",
    ),
    "settings": _option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="A setting of the first provider, or PROVIDER.NAME=VALUE; repeat it for several.",
    ),
    "shard": _option(
        "--shard", metavar="NAME", help="Watch only this one of [shards]; `stormcone watch` shares all of them."
    ),
    "sinks": _option(
        "--sink",
        "sinks",
        metavar="NAME=TYPE",
        multiple=True,
        help="Who is told of every change, run and approval, and NAME.SETTING=VALUE for its settings; may be given "
        "several times. `stormcone sink types` lists what there is.",
    ),
    "journal": _option(
        "--journal",
        type=JournalAt(),
        metavar="FILE|URL",
        show_default=JOURNAL_PLACES,
        help="The file that records what was seen and done, or a database: postgresql://...",
    ),
    "on_prepare": _option("--on-prepare", type=CommandLine(), help="Run this when an event is announced."),
    "on_started": _option("--on-started", type=CommandLine(), help="Run this when an event has begun."),
    "on_recover": _option("--on-recover", type=CommandLine(), help="Run this when an event has ended."),
    "lead": _option(
        "--lead",
        type=_Lead(),
        help="How long before an event's time --on-prepare is run, or `announced`: as soon as it is. [default: 1h]",
    ),
    "with_credentials": _flag(
        "--with-credentials", help="Pass the cloud's credentials in this environment on to commands."
    ),
    "approve": _option(
        "--approve", type=click.Choice(["prepared", "never"]), help="Override the app's approval policy."
    ),
    "leader": _option(
        "--leader", metavar="NAME", help="Who approves events that name several machines: `first` or a name."
    ),
    "standby": _option("--standby", metavar="NAME", help="Who approves instead if the leader is silent."),
    "standby_after": _option("--standby-after", type=Span(), help="How long the leader may be silent. [default: 5m]"),
    "approve_early": _option(
        "--approve-early", type=Span(), help="Approve at most this long ahead, even if the event then begins at once."
    ),
    "postpone": _option(
        "--postpone",
        type=click.Choice(["never", "once"]),
        help="Postpone each event once, if its cloud allows that.",
    ),
    "postpone_by": _option(
        "--postpone-by", type=Span(positive=True), help="Postpone by at most this long; default: as the cloud allows."
    ),
    "interval": _option(
        "--interval", type=Span(positive=True), help="Time between polls; default: what the cloud advises."
    ),
    "keep": _option(
        "--keep",
        type=Span(positive=True),
        show_default=f"{KEEP.days}d",
        help="How long the journal keeps an event after its end.",
    ),
    "grace": _option(
        "--grace",
        type=Span(),
        show_default=f"{GRACE.total_seconds():g}s",
        help="How long handlers may go on once the agent is told to stop.",
    ),
    "dry_run": _flag("--dry-run", help="Run no handler, approve nothing, write no journal: say what would be done."),
    "workers": _flag(
        "--workers",
        help="Offer handlers' work to `stormcone worker` processes, instead of doing it here. It needs a journal in a "
        "database.",
    ),
    "listen": _option(
        "--listen",
        metavar="ADDRESS",
        multiple=True,
        help=f"Serve /healthz, /readyz and /metrics here: 127.0.0.1:{PORT} (for this machine only) or unix:/PATH. "
        "Repeat it for several.",
    ),
    "log": _option(
        "--log",
        type=click.Choice(["auto", "text", "json"]),
        show_default="auto",
        help="How to print what happens: text for people, json for programs, auto: text on a terminal only.",
    ),
    "as_json": _flag("--json", "as_json", help="Print JSON, for programs: --log json."),
    "verbose": click.option("-v", "--verbose", cls=_Layered, count=True, help="Say more; -vv says everything."),
}
"""As click has them, by their parameters, in the order of the help."""


source_options = gathered(
    "source",
    _source,
    config_option,
    _option(
        "--provider", metavar="CLOUD", show_default=AUTO, help="The cloud to ask; `stormcone providers` lists them."
    ),
    _option("--endpoint", metavar="URL", help=ENDPOINT_HELP),
    _option("--machine", metavar="NAME", help="This machine's name in events; default: ask the cloud."),
    _option("--region", metavar="NAME", help="The cloud's region; default: ask the cloud."),
    _option(
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="A setting of the provider's own; may be given several times.",
    ),
)
"""The options that say where events come from, as a `Source`: of several that the configuration has, the first."""


def configured(without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Give a command the options of `run`; it takes `read`, which reads the configuration that they make.

    `read` takes more settings by name, as if they stood on the command line.

    Args:
        without: the parameters that the command does not have.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def gathering(*args: Any, **given: Any) -> Any:
            context = click.get_current_context()
            own = {each.name: each for each in context.command.params if each.name in names}
            values = {name: given.pop(str(name)) for name in own}
            file = named_file()
            flags = {
                _setting(own[name]): value
                for name, value in values.items()
                if context.get_parameter_source(str(name)) is ParameterSource.COMMANDLINE
            }

            def read(**more: Any) -> Configuration:
                return load(file=file, flags={**flags, **more})

            return command(*args, **given, read=read)

        decorated = cast(Command, gathering)
        for name, option in reversed(OPTIONS.items()):
            if name not in without:
                decorated = option(decorated)
        return decorated

    names = set(OPTIONS) - {"config", *without}
    return decorate


def _setting(parameter: click.Parameter) -> str:
    return parameter.setting if isinstance(parameter, _Layered) else "handlers"


def journal_found(command: Command) -> Command:
    """Give a command `journal`: the one that is named, else the configuration's, else the usual one.

    A configuration that cannot be read is in nobody's way where the journal is named.
    """
    return config_option(journal_option(command))


def built(configuration: Configuration) -> App:
    """The app that the configuration makes.

    Raises:
        click.UsageError: there is nothing to run, or a setting is for one that is not given.
        HandlerFileError: the handler file cannot be used.
        SettingsError: a command or a rule cannot be used.
    """
    try:
        return app_of(configuration)
    except NoHandlers as error:
        context = click.get_current_context(silent=True)  # none where a configuration is read again
        if context is None or any(option.name == "on_prepare" for option in context.command.params):
            raise click.UsageError(str(error)) from error
        why = "there are no handlers: give a handler file, or a configuration that has one, or has commands (--config)"
        raise click.UsageError(why) from error
    except Incomplete as error:
        raise click.UsageError(str(error)) from error


def sources_of(configuration: Configuration) -> tuple[Source, ...]:
    """Where the configuration says that events come from: flags and variables before `[providers.NAME]`.

    Raises:
        click.UsageError: what is said of them does not fit together.
        SettingsError: a setting is not of the form NAME=VALUE, or there is no provider of that name.
    """
    settings = configuration.settings
    _check_providers(configuration)
    sources = sources_from(settings.provider, settings.endpoint, settings.machine, settings.region, settings.set)
    for source in sources:
        if source.provider == AUTO and source.endpoint:  # of a provider that is named, that one says what it takes
            try:
                address("endpoint", source.endpoint)
            except SettingsError as error:
                raise configuration.placed(error, ("endpoint",)) from None
    return tuple(_with_tables(source, settings.providers) for source in sources)


@contextmanager
def settings_placed(configuration: Configuration) -> Iterator[None]:
    """Say of a provider's own setting that cannot be used where it stands.

    Raises:
        SettingsError: as raised within, with the place.
    """
    try:
        yield
    except SettingsError as error:
        paths = [("providers", name, error.setting) for name in configuration.settings.providers]
        origins = {path: origin for path in paths if (origin := configuration.origin(path, key=True)).kind != "default"}
        if not origins:
            raise
        path, origin = next(iter(origins.items()))
        if meant(error, ProviderTable):
            raise SettingsError(no_such_key(path, origin, fields_of(ProviderTable))) from error
        raise SettingsError(f"{error} ({origin})") from error


def _with_tables(source: Source, tables: Mapping[str, ProviderTable]) -> Source:
    """The source with what its table says; of one that is to be found out, with what those of all providers say."""
    if source.provider != AUTO:
        return _with_table(source, tables.get(source.provider, ProviderTable()))
    own = {name: _with_table(replace(source, provider=name), table) for name, table in tables.items()}
    return replace(source, own=own)


def _with_table(source: Source, table: ProviderTable) -> Source:
    return replace(
        source,
        endpoint=source.endpoint or table.endpoint,
        machine=source.machine or table.machine,
        region=source.region or table.region,
        settings={**table.settings, **source.settings},
    )


def _check_providers(configuration: Configuration) -> None:
    """Refuse a table of a provider that is not installed: most likely its name is misspelt."""
    tables = configuration.settings.providers
    known = load_plugins(PROVIDERS) if tables else None
    for name in tables:
        if known and name not in known.names:
            near = nearest(name, known.names)
            hint = f"did you mean {near}?" if near else f"there are {', '.join(known.names)}"
            raise configuration.placed(
                SettingsError(f"no such provider is installed; {hint}"), ("providers", name), key=True
            )
