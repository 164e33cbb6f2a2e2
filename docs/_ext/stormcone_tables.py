"""Tables and help texts drawn from the code's own data, so that no page can say anything else than the code does."""

import inspect
import logging
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import click
from pydantic import BaseModel
from stormcone_house import changes, rooms

from stormcone.cli import cli
from stormcone.clock import ManualClock
from stormcone.clouds.http.client import HttpStatusMeaning
from stormcone.config.reference import sections
from stormcone.errors import StormconeError
from stormcone.handlers import Stage
from stormcone.handlers.commands import variables
from stormcone.handlers.context import Context
from stormcone.handlers.control import RunControl
from stormcone.model import CONSEQUENCES, Cause, Impact, Machine, MaintenanceEvent, Phase
from stormcone.plugins import SIMULATORS, load_plugins, simulator_class, sink_class
from stormcone.rules.inferences import INFERENCES
from stormcone.rules.lifecycle import MOVES
from stormcone.rules.succession import SUCCESSIONS
from stormcone.simulators.contract import PlaysScenarios
from stormcone.sinks.notification import PREFIX, TYPES, NotificationData, ToldApproval, ToldRun
from stormcone.sinks.notify import FIELDS, fields_of
from stormcone.text import span
from stormcone_alibaba import errors as alibaba_errors
from stormcone_alibaba import profiles as alibaba_profiles
from stormcone_alibaba import settings as alibaba_settings
from stormcone_alibaba import wire as alibaba
from stormcone_alibaba.simulation import SIMULATED_TYPES as ALIBABA_SIMULATES
from stormcone_aws import api_errors as aws_errors
from stormcone_aws import messages as aws_messages
from stormcone_aws import queue_settings as aws_queue_settings
from stormcone_aws import region as aws_region
from stormcone_aws.kinds import EVENT_CODES, UNKNOWN_CODE
from stormcone_aws.provider import LISTS as AWS_LISTS
from stormcone_aws.provider import SETTINGS as AWS_SETTINGS
from stormcone_azure.provider import AZURE_STATUSES, SETTINGS
from stormcone_azure.wire import (
    API_VERSIONS,
    EVENT_SOURCES,
    EVENT_STATUSES,
    EVENT_TYPES,
    UNKNOWN_STATUS,
    UNKNOWN_TYPE,
)
from stormcone_google import keys as google_keys
from stormcone_google import metadata as google_metadata
from stormcone_google import settings as google_settings
from stormcone_google import upcoming as google_upcoming
from stormcone_google import wire as google
from stormcone_simulators.alibaba import types as simulated_alibaba
from stormcone_simulators.alibaba.operations import OPERATIONS
from stormcone_simulators.alibaba.operations.contract import OWNERS
from stormcone_simulators.alibaba.parameters import Handling, Parameter
from stormcone_simulators.aws import types as simulated_aws
from stormcone_simulators.azure.model import EVENT_TYPES as SIMULATED_TYPES
from stormcone_simulators.control import NewEvent
from stormcone_simulators.fidelity import sheet
from stormcone_simulators.google import types as simulated_google
from stormcone_simulators.http.faults import FaultRule
from stormcone_simulators.scenarios.format import STEPS

HELP_WIDTH = 100
_DECISIONS = Path(__file__).parents[1] / "data" / "approval-decisions.toml"
_CLIENTS = Path(__file__).parents[1] / "data" / "clients.toml"


class Table(NamedTuple):
    """A table: its header and its rows, each cell a piece of Markdown."""

    header: Sequence[str]
    rows: Iterable[Sequence[str]]


def code(value: object) -> str:
    """A value as code, or nothing."""
    return f"`{value}`" if value not in (None, "") else ""


def _yes_no(value: bool | None) -> str:
    return {True: "yes", False: "no", None: "not known"}[value]


def _impacts() -> Table:
    rows = ((code(impact.value), *map(_yes_no, costs)) for impact, costs in CONSEQUENCES.items())
    return Table(("impact", "`loses_memory`", "`loses_local_disk`", "`machine_returns`"), rows)


def _rooms() -> Table:
    rows = ((code(room.name), ", ".join(map(code, room.modules)), room.holds) for room in rooms())
    return Table(("room", "modules", "holds"), rows)


def _changes() -> Table:
    return Table(("to ...", "begin in"), ((want, code(where)) for want, where in changes()))


def _moves() -> Table:
    rows = ((move.before or "(not known)", move.after, code(move.kind.value), move.when) for move in MOVES)
    return Table(("before", "after", "change", "when"), rows)


def _successions() -> Table:
    rows = ((rule.before, f"{span(rule.within)} at most" if rule.within else "", rule.reason) for rule in SUCCESSIONS)
    return Table(("it was", "for", "taken for the same, since"), rows)


def _inferences() -> Table:
    return Table(("the first of these that applies", "outcome"), ((rule.when, rule.outcome) for rule in INFERENCES))


def _fields(model: type[BaseModel]) -> Callable[[], Table]:
    def table() -> Table:
        rows = ((code(name), field.description or "") for name, field in model.model_fields.items())
        return Table(("field", "means"), rows)

    return table


def _notification_types() -> Table:
    return Table(("type", "tells"), ((code(PREFIX + name), text) for name, text in TYPES.items()))


def _notify_fields() -> Table:
    # pytest is imported with the kit, and no other table needs it.
    from stormcone.testing.conformance.sinks import sample

    filled = fields_of(sample("run.failed"))
    return Table(("name", "for example"), ((code(f"{{{name}}}"), code(filled[name])) for name in FIELDS))


def _sink_settings(name: str) -> Callable[[], Table]:
    def table() -> Table:
        rows = (
            (code(field), each.description or "", _default(each.get_default(call_default_factory=True)))
            for field, each in sink_class(name).Settings.model_fields.items()
        )
        return Table(("setting", "is", "if unset"), rows)

    return table


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(code, value))
    if isinstance(value, bool):
        return code(str(value).lower())
    return code(value) if value and isinstance(value, str) else ""


def _azure_types() -> Table:
    rows = [
        (code(name), code(kind.impact.value), kind.cause.value if kind.cause else "by `EventSource`")
        for name, kind in EVENT_TYPES.items()
    ]
    rows.append(("any other", code(UNKNOWN_TYPE.impact.value), "by `EventSource`"))
    return Table(("`EventType`", "impact", "cause"), rows)


def _azure_statuses() -> Table:
    rows = [(code(name), status.phase, code(status.approval.value)) for name, status in EVENT_STATUSES.items()]
    rows.append(("any other", UNKNOWN_STATUS.phase, code(UNKNOWN_STATUS.approval.value)))
    return Table(("`EventStatus`", "phase", "approval"), rows)


def _azure_sources() -> Table:
    rows = [(code(name), code(cause.value)) for name, cause in EVENT_SOURCES.items()]
    rows.append(("any other, or none", "`unknown`"))
    return Table(("`EventSource`", "cause"), rows)


def _azure_versions() -> Table:
    def added(version: str) -> Iterator[str]:
        brought = API_VERSIONS[version]
        yield from (f"field `{name}`" for name in brought.adds_fields)
        yield from (f"type `{name}`" for name in brought.adds_types)
        if brought.underscored_names:
            yield "an underscore before every name, which is taken off"

    rows = ((code(version), ", ".join(added(version)) or "nothing that is read") for version in API_VERSIONS)
    return Table(("`api-version`", "adds"), rows)


def _http(statuses: Mapping[int, HttpStatusMeaning]) -> Callable[[], Table]:
    def table() -> Table:
        rows = (
            (
                code(status),
                meaning.says,
                "asked again" if meaning.passing else "refused: not asked again in the same way",
            )
            for status, meaning in sorted(statuses.items())
        )
        return Table(("status", "means", "then"), rows)

    return table


def _google_keys() -> Table:
    notices = {
        google_keys.PREEMPTED: f"up to {span(google.SHUTDOWN)}, by best effort",
        google_keys.MAINTENANCE: span(google.MAINTENANCE_NOTICE),
        google_keys.UPCOMING: "7 to 90 days by family; hours where it was not planned",
    }
    absent = {404: "the VM has no such key", 503: "nothing yet, where the body says so"}
    rows = (
        (code(key), notices[key], "; ".join(f"{status}: {absent[status]}" for status in sorted(google.ACCEPTED[key])))
        for key in google.KEYS
    )
    return Table(("key", "notice", "statuses that are answers, too"), rows)


def _google_statuses() -> Table:
    rows = ((code(name), status.phase, status.outcome or "") for name, status in google_upcoming.STATUSES.items())
    return Table(("`maintenanceStatus`", "phase", "outcome"), rows)


def _google_fields() -> Table:
    return Table(("field", "what it says"), ((code(name), what) for name, what in google_upcoming.FIELDS.items()))


def _google_simulated_types() -> Table:
    rows = (
        (
            code(name),
            code(kind.listing),
            ", ".join(kind.impacts),
            kind.cause,
            span(kind.notice),
            span(kind.longest_notice) if kind.longest_notice else "any",
            span(kind.started_for),
        )
        for name, kind in simulated_google.EVENT_TYPES.items()
    )
    return Table(("native type", "key", "impact", "cause", "usual notice", "longest", "goes on for"), rows)


def _alibaba_types() -> Table:
    rows = [
        (
            code(name),
            code(kind.impact.value),
            code(kind.cause.value),
            _yes_no(name in ALIBABA_SIMULATES),
        )
        for name, kind in alibaba.EVENT_TYPES.items()
    ]
    rows.append(("any other", code(alibaba.UNKNOWN_TYPE.impact.value), code(alibaba.UNKNOWN_TYPE.cause.value), "no"))
    return Table(("`EventType`", "impact", "cause", "can be simulated"), rows)


def _alibaba_statuses() -> Table:
    named = [(code(name), meaning) for name, meaning in alibaba.STATUSES.items()]
    named += [("any other, not finished", alibaba.UNKNOWN_STATUS), ("any other, finished", alibaba.UNKNOWN_END)]
    rows = ((name, it.phase, code(it.outcome and it.outcome.value), code(it.approval.value)) for name, it in named)
    return Table(("`EventCycleStatus`", "phase", "outcome", "approval"), rows)


_KINDS = {
    alibaba_errors.ErrorKind.PASSING: "asked again",
    alibaba_errors.ErrorKind.THROTTLED: "asked again in the next minute",
    alibaba_errors.ErrorKind.SETUP: "until it is cured, what is scheduled is unknown",
    alibaba_errors.ErrorKind.REFUSED: "refused: not asked again in the same way",
}


def _alibaba_errors() -> Table:
    permission = code(alibaba_errors.PERMISSION.format(action="..."))
    rows = (
        (code(pattern), meaning.says, meaning.cure.format(permission=permission), _KINDS[meaning.kind])
        for pattern, meaning in alibaba_errors.CODES
    )
    return Table(("the first of these that fits", "means", "what to do", "then"), rows)


def _aws_errors() -> Table:
    permission = code(aws_errors.PERMISSION.format(service="...", action="..."))
    rows = (
        (code(pattern), meaning.says, meaning.cure.format(permission=permission), _AWS_KINDS[meaning.kind])
        for pattern, meaning in aws_errors.CODES
    )
    return Table(("the first of these that fits", "means", "what to do", "then"), rows)


_AWS_KINDS = {
    aws_errors.AwsErrorKind.PASSING: "asked again",
    aws_errors.AwsErrorKind.SETUP: "until it is cured, what is scheduled is unknown",
    aws_errors.AwsErrorKind.REFUSED: "refused: not asked again in the same way",
}


def _aws_messages() -> Table:
    return Table(
        ("`detail-type`", "what it becomes"), ((code(name), what) for name, what in aws_messages.TYPES.items())
    )


def _alibaba_credentials() -> Table:
    rows = (
        (code(name), mode.gives, ", ".join(map(code, mode.needs)) or "nothing")
        for name, mode in alibaba_profiles.MODES.items()
    )
    return Table(("mode", "the credentials are those of", "the profile needs"), rows)


def _alibaba_simulated_types() -> Table:
    rows = (
        (code(name), code(kind.impact.value), code(kind.cause.value), kind.first, _long_span(kind.notice))
        for name, kind in simulated_alibaba.EVENT_TYPES.items()
    )
    return Table(("type", "impact", "cause", "begins as", "notice"), rows)


def _alibaba_operations() -> Table:
    def named(parameters: Iterable[Parameter], handling: Handling) -> str:
        return ", ".join(
            code(each.name) + (f" ({each.why})" if each.why else "")
            for each in parameters
            if each.handling is handling and each not in OWNERS
        )

    rows = (
        (code(name), *(named(operation.schema.parameters, handling) for handling in Handling))
        for name, operation in OPERATIONS.items()
    )
    return Table(("operation", *(handling.value for handling in Handling)), rows)


def _long_span(length: timedelta) -> str:
    hours = length // timedelta(hours=1)
    return f"{hours} h" if hours else _span(length)


def _settings(settings: Mapping[str, str]) -> Callable[[], Table]:
    return lambda: Table(
        ("setting", "what it is"), ((code(f"--set {name}=..."), text) for name, text in settings.items())
    )


def _simulator_settings(name: str) -> Callable[[], Table]:
    def table() -> Table:
        rows = (
            (code(f"--{setting.name}"), setting.help, "off" if setting.default is None else code(setting.default))
            for setting in simulator_class(name).settings
        )
        return Table(("option", "does", "default"), rows)

    return table


def _span(length: timedelta | None) -> str:
    if length is None:
        return "not known"
    seconds = int(length.total_seconds())
    return f"{seconds // 60} min" if seconds >= 60 else f"{seconds} s"


def _simulated_types() -> Table:
    rows = (
        (code(name), code(kind.impact.value), _span(kind.notice), _span(kind.started_for), _span(kind.duration))
        for name, kind in SIMULATED_TYPES.items()
    )
    return Table(("`EventType`", "impact", "notice", "stays started", "duration"), rows)


def _scenarios() -> Table:
    played = {
        name: kind.repertoire()
        for name, kind in sorted(load_plugins(SIMULATORS).found.items())
        if issubclass(kind, PlaysScenarios)
    }
    rows = (
        (code(pieces[0].name), pieces[0].title, *(piece.refusal or "plays" for piece in pieces))
        for pieces in zip(*played.values(), strict=True)
    )
    return Table(("scenario", "what happens", *played), rows)


def _step_fields() -> Table:
    fields: dict[str, tuple[str, list[str]]] = {}
    for do, kind in STEPS.items():
        for name, field in kind.model_fields.items():
            fields.setdefault(name, (field.description or "What happens.", []))[1].append(do)
    rows = (
        (code(name), "every step" if len(kinds) == len(STEPS) else ", ".join(map(code, kinds)), words)
        for name, (words, kinds) in fields.items()
    )
    return Table(("key", "in steps that do", "means"), rows)


def _steps() -> Table:
    return Table(("`do`", "what happens"), ((code(do), inspect.getdoc(kind) or "") for do, kind in STEPS.items()))


def _suite(name: str) -> Callable[[], Table]:
    def table() -> Table:
        # pytest is imported with the suites, and no other table needs it.
        from stormcone.testing import conformance

        return Table(("case", "promise", "source"), conformance.cases(getattr(conformance, name)))

    return table


_ASKED = {
    "names": "it names",
    "approving": "approving",
    "policy": "the policy is",
    "prepare": "prepare:",
    "leader": "the leader is",
    "short_freeze": "a short freeze:",
    "cause": "the cause is",
}


def _approval_decisions() -> Table:
    def where(row: Mapping[str, Any]) -> str:
        asked = [
            f"{words} {' or '.join(f'*{each}*' for each in row[column])}"
            for column, words in _ASKED.items()
            if column in row
        ]
        return ", and ".join(asked)

    rows = tomllib.loads(_DECISIONS.read_text("utf-8"))["row"]
    header = ("the first of these that fits", "decision", "why")
    return Table(header, ((where(row), row["decision"], row["why"]) for row in rows))


def _errors(kind: type[StormconeError] = StormconeError) -> Iterator[type[StormconeError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__ == kind.__module__:
            yield from _errors(child)


def _command_variables() -> Table:
    clock = ManualClock()
    event = MaintenanceEvent(
        id="C7061BAC-AFDC-4513-B24B-AA5F13A16123",
        provider="azure",
        impact=Impact.REBOOT,
        cause=Cause.MAINTENANCE,
        phase=Phase.SCHEDULED,
        resources=("web-0", "web-1"),
        not_before=clock.now() + timedelta(minutes=15),
    )
    context = Context(
        machine=Machine(provider="azure", id="", name="web-0"),
        attempt=1,
        log=logging.LoggerAdapter(logging.getLogger(__name__)),
        control=RunControl(clock, deadline=event.not_before),
        others=(event.but(id="602D9444-D2CD-49C7-8624-8643E7171297"),),
    )
    rows = ((code(name), code(value)) for name, value in variables(Stage.PREPARE, event, context).items())
    return Table(("variable", "for example"), rows)


def _exit_statuses() -> Table:
    own = [
        ("0", "", "Done."),
        ("2", "", "The command line is wrong."),
        ("130", "", "Interrupted."),
    ]
    raised = [
        (str(error.exit_code), code(error.__name__), (inspect.getdoc(error) or "").partition("\n")[0])
        for error in _errors()
    ]
    return Table(("exit status", "error", "means"), sorted((*own, *raised), key=lambda row: int(row[0])))


def _clients(cloud: str) -> Callable[[], Table]:
    def table() -> Table:
        rows = (
            (each["name"], each["version"], each["asks"], each["said"], "yes" if "test" in each else "by hand")
            for each in tomllib.loads(_CLIENTS.read_text(encoding="utf-8"))["program"]
            if each["cloud"] == cloud
        )
        return Table(("program", "version", "asks", "what it said", "in `make clients`"), rows)

    return table


def _fidelity(simulator: str) -> Callable[[], Table]:
    def table() -> Table:
        rows = ((f"**{feature.verdict}**", feature.what, feature.source) for feature in sheet(simulator))
        return Table(("the simulator", "what", "how it is known"), rows)

    return table


def _aws_lists() -> Table:
    rows = [
        (
            code(name),
            " or ".join(code(place) for place in each.places),
            "nothing is announced" if each.absent_is_none else "not known whether anything is",
        )
        for name, each in AWS_LISTS.items()
    ]
    return Table(("list", "asks for", "404 means"), rows)


def _aws_types() -> Table:
    rows = [(code(name), code(kind.impact.value), code(kind.cause.value)) for name, kind in EVENT_CODES.items()]
    rows.append(("any other", code(UNKNOWN_CODE.impact.value), code(UNKNOWN_CODE.cause.value)))
    return Table(("`Code`", "impact", "cause"), rows)


def _aws_simulated_types() -> Table:
    rows = (
        (
            code(name),
            ", ".join(code(impact.value) for impact in kind.impacts),
            ", ".join(code(cause.value) for cause in kind.causes),
            _long_span(kind.notice),
        )
        for name, kind in simulated_aws.EVENT_TYPES.items()
    )
    return Table(("type", "impact", "cause", "notice"), rows)


TABLES: Mapping[str, Callable[[], Table]] = {
    "rooms": _rooms,
    "changes": _changes,
    "impacts": _impacts,
    "event-fields": _fields(MaintenanceEvent),
    "moves": _moves,
    "inferences": _inferences,
    "successions": _successions,
    "approval-decisions": _approval_decisions,
    "azure-types": _azure_types,
    "azure-statuses": _azure_statuses,
    "azure-sources": _azure_sources,
    "azure-versions": _azure_versions,
    "azure-http": _http(AZURE_STATUSES),
    "azure-settings": _settings(SETTINGS),
    "azure-simulator-settings": _simulator_settings("azure"),
    "azure-simulated-types": _simulated_types,
    "new-event-fields": _fields(NewEvent),
    "fault-fields": _fields(FaultRule),
    "step-fields": _step_fields,
    "steps": _steps,
    "scenarios": _scenarios,
    "command-variables": _command_variables,
    "alibaba-types": _alibaba_types,
    "alibaba-statuses": _alibaba_statuses,
    "alibaba-credentials": _alibaba_credentials,
    "aws-api-errors": _aws_errors,
    "aws-messages": _aws_messages,
    "aws-queue-settings": _settings(aws_queue_settings.SETTINGS),
    "aws-region-settings": _settings(aws_region.SETTINGS),
    "google-keys": _google_keys,
    "google-statuses": _google_statuses,
    "google-fields": _google_fields,
    "google-http": _http(google_metadata.GOOGLE_STATUSES),
    "google-settings": _settings(google_settings.SETTINGS),
    "google-simulator-settings": _simulator_settings("google"),
    "google-simulated-types": _google_simulated_types,
    "google-fidelity": _fidelity("google"),
    "google-clients": _clients("google"),
    "alibaba-errors": _alibaba_errors,
    "alibaba-settings": _settings(alibaba_settings.SETTINGS),
    "alibaba-simulator-settings": _simulator_settings("alibaba"),
    "alibaba-simulated-types": _alibaba_simulated_types,
    "alibaba-operations": _alibaba_operations,
    "alibaba-fidelity": _fidelity("alibaba"),
    "aws-lists": _aws_lists,
    "aws-types": _aws_types,
    "aws-settings": _settings(AWS_SETTINGS),
    "aws-simulator-settings": _simulator_settings("aws"),
    "aws-simulated-types": _aws_simulated_types,
    "aws-fidelity": _fidelity("aws"),
    "azure-fidelity": _fidelity("azure"),
    "azure-clients": _clients("azure"),
    "alibaba-clients": _clients("alibaba"),
    "aws-clients": _clients("aws"),
    "provider-suite": _suite("ProviderSuite"),
    "simulator-suite": _suite("SimulatorSuite"),
    "journal-suite": _suite("JournalSuite"),
    "outbox-suite": _suite("OutboxSuite"),
    "sink-suite": _suite("SinkSuite"),
    "fleet-suite": _suite("FleetSuite"),
    "notification-types": _notification_types,
    "notification-fields": _fields(NotificationData),
    "notification-run-fields": _fields(ToldRun),
    "notification-approval-fields": _fields(ToldApproval),
    "notify-fields": _notify_fields,
    **{f"sink-{name}": _sink_settings(name) for name in ("fleet", "log", "notify", "otlp", "queue", "webhook")},
    "exit-statuses": _exit_statuses,
}
"""Every table by its name."""


def markdown(table: Table) -> list[str]:
    """The table as lines of Markdown."""
    rows = [table.header, ["---"] * len(table.header), *table.rows]
    return ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]


def configuration() -> list[str]:
    """The tables of the configuration's file, each with its keys, as lines of Markdown."""
    lines: list[str] = []
    for section in sections():
        rows = [(code(each.key), each.kind, code(each.default), each.help) for each in section.entries]
        name = f"{code(section.heading)}: {section.help}" if section.heading else section.help
        lines += ["", f"**{name}**", "", *markdown(Table(("key", "is", "default", "means"), rows))]
    return lines


def help_text(words: Sequence[str]) -> str:
    """What `stormcone WORDS --help` prints, at a fixed width."""
    settings: dict[str, Any] = {"terminal_width": HELP_WIDTH, "max_content_width": HELP_WIDTH}
    context = click.Context(cli, info_name="stormcone", **settings)
    command: click.Command = cli
    for word in words:
        child = command.get_command(context, word) if isinstance(command, click.Group) else None
        if child is None:
            raise ValueError(f"there is no command stormcone {' '.join(words)}")
        command = child
        context = click.Context(child, info_name=word, parent=context, **settings)
    return command.get_help(context)
