"""What a configuration may say: every key with its kind, its default and its sentence of help.

One name in three spellings: `standby_after` in the file, `STORMCONE_STANDBY_AFTER` in the environment, and
`--standby-after` on the command line. What the file alone has is a table: `[commands.NAME]`, `[[rules]]`,
`[providers.NAME]`. A package that has settings of its own adds them as one more field, whose type is a pydantic model
that the package defines and that forbids keys that it does not know; a secret in it is a `SecretStr`.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from stormcone.agent.settings import GRACE, KEEP
from stormcone.clouds.contract import AUTO
from stormcone.config.kinds import (
    Addresses,
    Causes,
    Flag,
    Handlers,
    Impacts,
    Lead,
    PositiveSpan,
    Span,
    Texts,
    Words,
    texts_of,
)


class Table(BaseModel):
    """A table of the file: it knows its keys, and refuses others."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class CommandTable(Table):
    """A handler that is made of commands. The order of the tables is that of the handlers."""

    prepare: Words | None = Field(default=None, examples=["systemctl stop queue"])
    """The command that makes ready once an event is announced: a line, split at blanks without a shell, or a list of
    words.
    """
    started: Words | None = Field(default=None, examples=[["logger", "it has begun"]])
    """The command for when it has begun."""
    recover: Words | None = Field(default=None, examples=["systemctl start queue"])
    """The command for when it has ended; it runs if, and only if, `prepare` or `started` of this table has begun."""
    shell: Flag = False
    """Whether `/bin/sh -c` runs the lines, for pipes, variables and the like. What an event says is in the environment
    and on standard input, never in the line.
    """
    impacts: Impacts | None = Field(default=None, examples=[["reboot", "redeploy"]])
    """Of which impacts events are taken; every one but `none` if unset."""
    causes: Causes | None = Field(default=None, examples=[["maintenance"]])
    """Of which causes events are taken; all if unset."""
    tentative: Flag = False
    """Whether what may never happen is taken too, such as a higher risk of preemption."""
    lead: Lead | None = Field(default=None, examples=["10m"])
    """How long before an event's time `prepare` begins, or `announced`; 1h if unset."""
    timeout: Span | None = Field(default=None, examples=["2m"])
    """How long one run may take; as long as the event's time leaves if unset."""
    retries: int | None = Field(default=None, ge=0, examples=[3])
    """How often a command is run again that asked for it (exit status 75) or was ended by a signal; while the time
    lasts if unset.
    """
    with_credentials: Flag = False
    """Whether the commands get the cloud's credentials from the agent's environment."""


class RuleTable(Table):
    """What is done about events of one kind. The first rule that fits an event counts."""

    impacts: Impacts | None = Field(default=None, examples=[["freeze"]])
    """Of which impacts; all if unset."""
    causes: Causes | None = Field(default=None, examples=[["maintenance"]])
    """Of which causes; all if unset."""
    shorter_than: Span | None = Field(default=None, examples=["10s"])
    """Only events that are known to take less."""
    handlers: Handlers = Field(default="all", examples=["none"])
    """Which handlers may work on them, by name: `all`, `none`, or a list."""
    lead: Lead | None = Field(default=None, examples=["announced"])
    """How long before an event's time these begin, or `announced`; as each of them says if unset."""


def _setting(value: object) -> object:
    """A setting of a provider's own, as `--set` would write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) else str(value)
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if isinstance(value, str | SecretStr):
        return value
    raise ValueError(f"it is a text, a number, true or false, or a list of texts, not {value!r}")


ProviderSetting = Annotated[str, BeforeValidator(_setting)]


class ProviderTable(BaseModel):
    """What belongs to one provider; every other key is a setting of its own, as `--set` has them."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, ProviderSetting] = Field(init=False)

    endpoint: str | None = Field(default=None, examples=["http://127.0.0.1:18169"])
    """Where its calls go instead of the cloud's own addresses."""
    machine: str | None = Field(default=None, examples=["web-0"])
    """This machine's name in its events."""
    region: str | None = Field(default=None, examples=["eu-west-1"])
    """Its region."""

    @property
    def settings(self) -> dict[str, str]:
        """The provider's own settings."""
        return dict(self.__pydantic_extra__ or {})


class SinkTable(BaseModel):
    """Who is told of every change, run and approval; every other key is a setting of its type's."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, Any] = Field(init=False)

    type: str = Field(examples=["webhook"])
    """Which kind of sink: `webhook`, `notify`, `log`, `queue`, `otlp`, or one of a plug-in."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its type's."""
        return dict(self.__pydantic_extra__ or {})


def _sink(value: str) -> str | SecretStr:
    """What may be a secret, which is every setting of a sink's, as far as is known here."""
    return SecretStr(value) if "." in value.partition("=")[0] else value


SinkText = Annotated[str | SecretStr, AfterValidator(_sink)]


class RunSettings(Table):
    """The whole of a configuration."""

    handlers: str | None = Field(default=None, examples=["/etc/stormcone/handlers.py"])
    """A Python file with handlers, and after a colon the name of its `App` where that is not `app`."""
    provider: Texts = Field(default=(AUTO,), examples=["azure"])
    """Which cloud, or several; `auto` finds out. `stormcone providers` lists them."""
    endpoint: Texts = Field(default=(), examples=["http://127.0.0.1:18169"])
    """Point every call there instead of the cloud's own addresses: a simulator, say; PROVIDER=URL for one of several.
    """
    machine: Texts = Field(default=(), examples=["web-0"])
    """This machine's name in events; the cloud is asked if unset. PROVIDER=NAME for another than the first of
    several.
    """
    region: Texts = Field(default=(), examples=["eu-west-1"])
    """The cloud's region; the cloud is asked if unset. PROVIDER=NAME for one of several."""
    set: Texts = Field(default=(), examples=[["queue=notices"]])
    """Settings of the first provider's own, each NAME=VALUE, or PROVIDER.NAME=VALUE; in the file, `[providers.NAME]`
    reads better.
    """
    sink: Annotated[tuple[SinkText, ...], BeforeValidator(texts_of)] = Field(
        default=(), examples=[["log=log", "log.file=/var/log/stormcone.jsonl"]]
    )
    """Who is told: NAME=TYPE, and its settings, each NAME.SETTING=VALUE; in the file, `[sinks.NAME]` reads better."""
    journal: Path | None = Field(default=None, examples=["/var/lib/stormcone/journal.db"])
    """The file that keeps what was seen and done; `/var/lib/stormcone/journal.db` for root, else
    `~/.local/state/stormcone/journal.db` if unset.
    """
    keep: PositiveSpan = KEEP
    """How long the journal keeps an event after its end."""
    interval: PositiveSpan | None = Field(default=None, examples=["5s"])
    """Time between polls; the cloud's own advice if unset."""
    grace: Span = GRACE
    """How long handlers may go on when the agent is told to stop, as at a shutdown; systemd waits 2 minutes for all."""
    dry_run: Flag = False
    """Run no handler, approve nothing, write no journal: say what would be done."""
    on_prepare: Words | None = Field(default=None, examples=["systemctl stop queue"])
    """A command to run when an event is announced; `[commands.NAME]` can say more."""
    on_started: Words | None = Field(default=None, examples=["logger begun"])
    """A command to run when it has begun."""
    on_recover: Words | None = Field(default=None, examples=["systemctl start queue"])
    """A command to run when it has ended."""
    lead: Lead | None = Field(default=None, examples=["30m"])
    """How long before an event's time `on_prepare` is run, or `announced`; 1h if unset."""
    with_credentials: Flag = False
    """Let these three commands have the cloud's credentials from the agent's environment."""
    approve: Literal["prepared", "never"] | None = Field(default=None, examples=["never"])
    """Whether events are approved once all handlers have prepared, or never; as the handler file says if unset, else
    `prepared`.
    """
    leader: str | None = Field(default=None, examples=["first"])
    """Who approves events that name several machines: `first`, or a machine's name; nobody if unset."""
    standby: str | None = Field(default=None, examples=["web-1"])
    """Who approves in the leader's place where the leader is silent."""
    standby_after: Span | None = Field(default=None, examples=["5m"])
    """How long the leader may be silent; 5m if unset."""
    approve_early: Span | None = Field(default=None, examples=["15m"])
    """Approve at most so long ahead, also where the event then begins at once."""
    approve_short_freeze: Flag | None = Field(default=None, examples=[True])
    """Whether a freeze of 8 s or less is approved at once, prepared or not."""
    approve_consent: Flag | None = Field(default=None, examples=[True])
    """Whether consent is given to events that would not happen without it."""
    postpone: Literal["never", "once"] | None = Field(default=None, examples=["once"])
    """Whether each event is put off once, where its cloud lets it be."""
    postpone_by: PositiveSpan | None = Field(default=None, examples=["2d"])
    """How far at the most; as far as the cloud lets it be if unset."""
    listen: Addresses = Field(default=(), examples=[["127.0.0.1:9464"]])
    """Where `/healthz`, `/readyz` and `/metrics` are served: `127.0.0.1:9464`, a port of this machine alone, or
    `unix:/PATH`.
    """
    log: Literal["auto", "text", "json"] = "auto"
    """How what happens is printed: `text` for people, `json` for programs, `auto` for people on a terminal alone."""
    as_json: Flag = Field(default=False, alias="json")
    """The same as `log = "json"`."""
    verbose: int = Field(default=0, ge=0)
    """Say more: 1, or 2 for everything."""
    commands: dict[str, CommandTable] = Field(default_factory=dict)
    """Handlers that are made of commands, by name."""
    rules: tuple[RuleTable, ...] = ()
    """What is done about events by their impact and cause."""
    providers: dict[str, ProviderTable] = Field(default_factory=dict)
    """What belongs to one provider, by its name."""
    sinks: dict[str, SinkTable] = Field(default_factory=dict)
    """Who is told of every change, run and approval, by a name of yours."""
