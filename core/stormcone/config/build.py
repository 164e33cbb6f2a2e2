"""What the settings make: handlers of commands, rules, and the app that has them."""

from collections.abc import Mapping
from typing import Any

from stormcone.agent.settings import AgentSettings
from stormcone.config.kinds import ANNOUNCED
from stormcone.config.load import Configuration
from stormcone.config.model import CommandTable, RuleTable, RunSettings
from stormcone.config.names import nearest
from stormcone.config.positions import KeyPath
from stormcone.errors import HandlerMistake, SettingsError
from stormcone.handlers import USUAL_LEAD, App, EventRule, Handler, Stage
from stormcone.handlers.app import ApprovalSettings
from stormcone.handlers.commands import CommandHandler, shell_words, split_command
from stormcone.handlers.files import load_app
from stormcone.rules.sharding import WHOLE, Part

_COMMANDS = "commands"
_SELECTION = ("impacts", "causes", "tentative", "timeout", "retries")
_OWN = {Stage.PREPARE: "on_prepare", Stage.STARTED: "on_started", Stage.RECOVER: "on_recover"}
_REMEDY = "say shell = true beside it"


class Incomplete(SettingsError):
    """What is given needs something else, which is missing."""


class NoHandlers(Incomplete):
    """Neither a handler file nor a command is given."""


def app_of(configuration: Configuration) -> App:
    """The app that a configuration makes: the handler file's handlers, then the commands in their order.

    Raises:
        HandlerFileError: the handler file cannot be used.
        NoHandlers: there is nothing to run.
        Incomplete: a setting is for one that is not given.
        SettingsError: a command or a rule cannot be used.
    """
    settings = configuration.settings
    own = _own_commands(configuration)
    if settings.handlers is None and not own and not settings.commands:
        raise NoHandlers("there is nothing to run: give a handler file, or a command with --on-prepare")
    app = App() if settings.handlers is None else load_app(settings.handlers)
    for path, handler in (*own, *_tables(configuration)):
        try:
            app.add(handler)
        except HandlerMistake as error:
            raise configuration.placed(error, path, key=True) from error
    rules = tuple(_rule(configuration, number, table, app) for number, table in enumerate(settings.rules))
    _check_companions(configuration, app)
    changes = {name: value for name in _approval_names() if (value := getattr(settings, name)) is not None}
    try:
        return app.but(**changes, rules=(*rules, *app.rules))
    except HandlerMistake as error:
        raise SettingsError(str(error)) from error


def _check_companions(configuration: Configuration, app: App) -> None:
    """Refuse what is for another setting that is not given, where it was given."""
    settings, own = configuration.settings, app.approval
    if settings.standby is not None and (settings.leader or own.leader) is None:
        raise configuration.placed(SettingsError("it needs a leader to stand in for; set leader as well"), ("standby",))
    if settings.postpone_by is not None and (settings.postpone or own.postpone) == "never":
        raise configuration.placed(
            SettingsError("it says how far, and nothing is put off; set postpone to once as well"), ("postpone_by",)
        )


def _approval_names() -> tuple[str, ...]:
    return tuple(name for name in ApprovalSettings.__dataclass_fields__ if name in RunSettings.model_fields)


def _own_commands(configuration: Configuration) -> list[tuple[KeyPath, Handler]]:
    """The handler of the commands that stand outside of tables, if there are such."""
    settings = configuration.settings
    given = {stage: key for stage, key in _OWN.items() if getattr(settings, key)}
    if settings.with_credentials and not given:
        raise _incomplete(
            configuration, "with_credentials", "it is for commands, and none is given; set on_prepare too"
        )
    if settings.lead is not None and Stage.PREPARE not in given:
        raise _incomplete(
            configuration, "lead", "it says when on_prepare is run, and that is not given; set it as well"
        )
    if not given:
        return []
    words = {
        stage: _words(configuration, getattr(settings, key), (key,), shell=False, remedy="")
        for stage, key in given.items()
    }
    handler = _handler(configuration, words, (next(iter(given.values())),), settings, _COMMANDS)
    return [((next(iter(given.values())),), handler)]


def _incomplete(configuration: Configuration, key: str, why: str) -> Incomplete:
    return Incomplete(str(configuration.placed(SettingsError(why), (key,))))


def _tables(configuration: Configuration) -> list[tuple[KeyPath, Handler]]:
    return [
        ((_COMMANDS, name), _of_table(configuration, name, table))
        for name, table in configuration.settings.commands.items()
    ]


def _of_table(configuration: Configuration, name: str, table: CommandTable) -> Handler:
    path: KeyPath = (_COMMANDS, name)
    given = {stage: command for stage in Stage if (command := getattr(table, stage.value)) is not None}
    if not given:
        raise configuration.placed(
            SettingsError("it has no command; give it prepare, started or recover"), path, key=True
        )
    if table.lead is not None and Stage.PREPARE not in given:
        raise configuration.placed(SettingsError("it says when prepare is run, and there is none"), (*path, "lead"))
    words = {
        stage: _words(configuration, command, (*path, stage.value), shell=table.shell, remedy=_REMEDY)
        for stage, command in given.items()
    }
    handler = _handler(configuration, words, path, table, name)
    for key in _SELECTION:
        value = getattr(table, key)
        if value is not None:
            try:
                setattr(handler, key, value)
            except HandlerMistake as error:
                raise configuration.placed(error, (*path, key)) from error
    return handler


def _handler(
    configuration: Configuration, words: Mapping[Stage, list[str]], path: KeyPath, given: Any, name: str
) -> Handler:
    lead = USUAL_LEAD if given.lead is None else None if given.lead == ANNOUNCED else given.lead
    try:
        return CommandHandler(words, credentials=given.with_credentials, lead=lead, name=name)
    except (SettingsError, HandlerMistake) as error:
        if path[0] != _COMMANDS:
            raise SettingsError(str(error)) from error
        raise configuration.placed(error, path, key=True) from error


def _words(
    configuration: Configuration, command: str | tuple[str, ...], path: KeyPath, *, shell: bool, remedy: str
) -> list[str]:
    """A command's words, whichever way it was written."""
    if not isinstance(command, str):
        if shell:
            why = SettingsError("a shell takes one line, and this is a list of words; write a line, or leave shell out")
            raise configuration.placed(why, path)
        return list(command)
    if shell and command.strip():
        return shell_words(command)
    try:
        return split_command(command, remedy=remedy)
    except SettingsError as error:
        raise configuration.placed(error, path) from error


def _rule(configuration: Configuration, number: int, table: RuleTable, app: App) -> EventRule:
    path: KeyPath = ("rules", number)
    if isinstance(table.handlers, tuple):
        known = [handler.label for handler in app.handlers]
        for position, name in enumerate(table.handlers):
            if name not in known:
                near = nearest(name, known)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(known)}"
                raise configuration.placed(
                    SettingsError(f"there is no handler {name!r}; {hint}"), (*path, "handlers", position)
                )
    given = {name: value for name in ("impacts", "causes") if (value := getattr(table, name)) is not None}
    allowed = {"all": None, "none": ()}.get(table.handlers) if isinstance(table.handlers, str) else table.handlers
    try:
        return EventRule(**given, shorter_than=table.shorter_than, handlers=allowed, lead=table.lead)
    except HandlerMistake as error:
        raise configuration.placed(error, path, key=True) from error


def settings_of(settings: RunSettings, part: Part = WHOLE) -> AgentSettings:
    """How the agent works, on all of its region's events or on those of a part."""
    interval = settings.interval.total_seconds() if settings.interval else None
    grace = settings.grace.total_seconds()
    return AgentSettings(interval=interval, grace=grace, keep=settings.keep, dry_run=settings.dry_run, part=part)
