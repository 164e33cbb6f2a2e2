"""`stormcone check`: a handler file, looked over without a cloud."""

from datetime import timedelta
from typing import Any

import click

from stormcone.cli.configured import built, config_option, named_file, settings_placed, sources_of
from stormcone.cli.console import print_json, say
from stormcone.cli.options import json_option
from stormcone.clock import SystemClock
from stormcone.clouds.contract import AUTO, ProviderOptions
from stormcone.config.fleet import membership
from stormcone.config.load import Configuration, load
from stormcone.config.shards import shards_of
from stormcone.config.sinks import open_sinks, tables_of
from stormcone.errors import PartMissing
from stormcone.handlers import ANY_CAUSE, ANY_IMPACT, App, EventRule, Handler, Stage
from stormcone.handlers.commands import CommandHandler
from stormcone.handlers.files import load_app
from stormcone.model import Impact
from stormcone.plugins import provider_class
from stormcone.text import printable, span, written


@click.command("check")
@click.argument("file", metavar="[FILE.py[:APP]]", required=False)
@config_option
@json_option
def command(file: str | None, as_json: bool) -> None:
    """Look handlers over: load them, refuse mistakes, and say what each of them takes and what approves.

    Without FILE.py it is what the configuration says: its handler file, commands and rules, and also its providers,
    shards and sinks, of which none is asked.

    \b
    stormcone check handlers.py
    stormcone check --config stormcone.toml
    """
    configuration = None
    if file is not None and named_file() is None:
        app = load_app(file)
    else:
        configuration = load(file=named_file(), flags={"handlers": file} if file else {})
        app = built(configuration)
    providers = _providers(configuration) if configuration else []
    sinks = _sinks(configuration) if configuration else {}
    fleet = _fleet(configuration, app) if configuration else None
    shards = list(shards_of(configuration)) if configuration and configuration.settings.shards else []
    if as_json:
        print_json(
            {
                "handlers": [_document(handler) for handler in app.handlers],
                "rules": [_rule_document(rule) for rule in app.rules],
                "approval": approval_of(app),
                "providers": providers,
                "sinks": [{"name": name, "type": kind} for name, kind in sinks.items()],
                "fleet": fleet,
                "shards": shards,
            }
        )
        return
    more = [f"provider: {name}" for name in providers] + [f"sink {name}: {kind}" for name, kind in sinks.items()]
    if fleet is not None:
        more.append(f"fleet: {fleet['name']}")
        more += [f"group {name}: {limit} may be away" for name, limit in fleet["groups"].items()]
    more += [f"shard: {name}" for name in shards]
    for line in (*summaries_of(app), *more):
        say(printable(line))


def _providers(configuration: Configuration) -> list[str]:
    """The names of the providers, each of which can be made with its settings.

    Raises:
        SettingsError: a setting cannot be used.
        PluginError: there is no such provider.
        ProviderUnavailable: a part that it needs is not installed.
    """
    sources = sources_of(configuration)
    with settings_placed(configuration):
        for source in sources:
            options = ProviderOptions.of(source, SystemClock())
            for name in source.own if source.provider == AUTO else (source.provider,):
                try:
                    provider_class(name).from_options(options.of_provider(name)).close()
                except PartMissing:
                    if source.provider != AUTO:
                        raise
    return [source.provider for source in sources]


def _sinks(configuration: Configuration) -> dict[str, str]:
    """The sinks, each of which can be made with its settings, by name, with their types.

    Raises:
        SettingsError: a setting cannot be used.
        PluginError: there is no such type, or a part that it needs is not installed.
    """
    with open_sinks(configuration, SystemClock()):
        return {name: str(table["type"]) for name, table in tables_of(configuration).items()}


def _fleet(configuration: Configuration, app: App) -> dict[str, Any] | None:
    """The fleet, which is not asked, with its groups and their limits; None where there is none.

    Raises:
        SettingsError: its address cannot be read, or groups or a leader are named that cannot be used.
        PluginError: the driver is not installed.
    """
    with membership(configuration, app) as found:
        table = configuration.settings.fleet
        if found is None or table is None:
            return None
        return {"name": table.name, "groups": {group.name: group.max_unavailable for group in found.groups}}


def summaries_of(app: App) -> list[str]:
    """What an app does, in lines: each handler, each rule, and how it approves."""
    rules = (f"rule {number}: {rule_of(rule)}" for number, rule in enumerate(app.rules, 1))
    return [*map(summary_of, app.handlers), *rules, f"approval: {approval_of(app)}"]


def rule_of(rule: EventRule) -> str:
    """A rule as a clause: of which events, who works, and how long ahead."""
    facts = [f"impacts {_chosen(rule.impacts, frozenset(Impact), 'all')}"]
    if set(rule.causes) != ANY_CAUSE:
        facts.append(f"causes {_chosen(rule.causes, ANY_CAUSE, 'all')}")
    if rule.shorter_than is not None:
        facts.append(f"shorter than {span(rule.shorter_than)}")
    who = "all handlers" if rule.handlers is None else ", ".join(rule.handlers) or "nobody"
    lead = "" if rule.lead is None else f", {lead_of(rule.lead)}"
    return f"{'; '.join(facts)}: {who}{lead}"


def lead_of(lead: timedelta | str) -> str:
    """How long ahead, for people."""
    return f"{span(lead)} ahead" if isinstance(lead, timedelta) else "as soon as announced"


def summary_of(handler: Handler) -> str:
    """A handler in one line: its stages, what it takes, and its limits."""
    stages = ", ".join(stage for stage in Stage if handler.has(stage))
    lead = "as soon as announced" if handler.lead is None else f"{span(handler.lead)} ahead"
    facts = [f"impacts {_chosen(handler.impacts, ANY_IMPACT, 'all but none')}"]
    if set(handler.causes) != ANY_CAUSE:
        facts.append(f"causes {_chosen(handler.causes, ANY_CAUSE, 'all')}")
    if handler.tentative:
        facts.append("also what may never happen")
    if handler.has(Stage.PREPARE):
        facts.append(f"prepares {lead}")
    if handler.timeout is not None:
        facts.append(f"timeout {span(handler.timeout)}")
    if handler.retries is not None:
        facts.append(f"retries {handler.retries}")
    if isinstance(handler, CommandHandler) and handler.through_shell:
        facts.append(f"a shell runs {', '.join(handler.through_shell)}")
    return f"{handler.label}: {stages}; {'; '.join(facts)}"


def approval_of(app: App) -> str:
    """How the app approves, as a clause."""
    settings = app.approval
    if settings.approve == "never":
        return "never"
    parts = ["by the app's own policy" if callable(settings.approve) else "once every prepare has succeeded"]
    if not any(handler.has(Stage.PREPARE) for handler in app.handlers) and not callable(settings.approve):
        parts = ["never, since no handler prepares"]
    if settings.leader is not None:
        parts.append(f"for neighbours too where {settings.leader} leads")
    if settings.standby is not None:
        parts.append(f"{settings.standby} stands by, {span(settings.standby_after)} later")
    if settings.approve_early is not None:
        parts.append(f"no more than {span(settings.approve_early)} ahead")
    if settings.approve_short_freeze:
        parts.append("a freeze of 8 s or less at once")
    if settings.approve_consent:
        parts.append("consent is given")
    return "; ".join(parts)


def _chosen(values: Any, usual: frozenset[Any], word: str) -> str:
    return word if set(values) == usual else ", ".join(sorted(values))


def _rule_document(rule: EventRule) -> dict[str, Any]:
    return {
        "impacts": sorted(rule.impacts),
        "causes": sorted(rule.causes),
        "shorter_than_seconds": None if rule.shorter_than is None else rule.shorter_than.total_seconds(),
        "handlers": None if rule.handlers is None else list(rule.handlers),
        "lead": None if rule.lead is None else written(rule.lead) if isinstance(rule.lead, timedelta) else rule.lead,
    }


def _document(handler: Handler) -> dict[str, Any]:
    return {
        "name": handler.label,
        "stages": [stage.value for stage in Stage if handler.has(stage)],
        "impacts": sorted(handler.impacts),
        "causes": sorted(handler.causes),
        "tentative": handler.tentative,
        "lead_seconds": None if handler.lead is None else handler.lead.total_seconds(),
        "timeout_seconds": None if handler.timeout is None else handler.timeout.total_seconds(),
        "retries": handler.retries,
    }
