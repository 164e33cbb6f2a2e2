"""The model of a configuration: every key with its kind, its default and its help text.

Each setting has one name in three spellings: `standby_after` in the file, `STORMCONE_STANDBY_AFTER` in the environment,
and `--standby-after` on the command line. Tables exist only in the file: `[commands.NAME]`, `[[rules]]`,
`[providers.NAME]`. A package with settings of its own adds one more field, whose type is a pydantic model that the
package defines and that forbids unknown keys; a secret in it is a `SecretStr`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from stormcone.agent.settings import GRACE, KEEP
from stormcone.clouds.contract import AUTO
from stormcone.config.kinds import (
    Addresses,
    Causes,
    Flag,
    HandlerFile,
    Handlers,
    Impacts,
    JournalPlace,
    Lead,
    PositiveSpan,
    Span,
    Texts,
    Words,
    texts_of,
)
from stormcone.fleet.contract import SILENCE
from stormcone.rules.limits import Limit
from stormcone.sinks.contract import Secret

MOST_PARTS = 64
"""Parts of one region: each asks the cloud by itself, and takes a process."""


def _limit(value: object) -> str:
    text = str(value) if isinstance(value, int | str) and not isinstance(value, bool) else repr(value)
    if not Limit.of(text).number:
        raise ValueError("it lets no machine be away, so each would wait until it can wait no more; write 1 or more")
    return text


class Table(BaseModel):
    """A table in the file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class CommandTable(Table):
    """A handler made of commands. Handlers run in the order of their tables."""

    prepare: Words | None = Field(default=None, examples=["systemctl stop queue"])
    """The command that prepares for an announced event: a line, split up without a shell, or a list of words."""
    started: Words | None = Field(default=None, examples=[["logger", "it has begun"]])
    """The command to run when the event has begun."""
    recover: Words | None = Field(default=None, examples=["systemctl start queue"])
    """The command to run when the event has ended, but only if `prepare` or `started` of this table has begun."""
    shell: Flag = False
    """Whether `/bin/sh -c` runs the lines, for pipes, variables and the like. Event data is in the environment and on
    standard input, never in the line.
    """
    impacts: Impacts | None = Field(default=None, examples=[["reboot", "redeploy"]])
    """Which impacts this handler takes; all except `none` if unset."""
    causes: Causes | None = Field(default=None, examples=[["maintenance"]])
    """Which causes this handler takes; all if unset."""
    tentative: Flag = False
    """Whether it also takes events that may never happen, such as a higher risk of preemption."""
    lead: Lead | None = Field(default=None, examples=["10m"])
    """How long before the event's time `prepare` begins, or `announced` for at once; 1h if unset."""
    timeout: Span | None = Field(default=None, examples=["2m"])
    """How long one run may take; as long as the event's time allows if unset."""
    retries: int | None = Field(default=None, ge=0, examples=[3])
    """How many times a command is run again if it asks for that (exit status 75) or is ended by a signal; as long as
    there is time if unset.
    """
    with_credentials: Flag = False
    """Whether the commands get the cloud's credentials from the agent's environment."""


class RuleTable(Table):
    """What is done about one kind of events. The first rule that matches an event applies."""

    impacts: Impacts | None = Field(default=None, examples=[["freeze"]])
    """Which impacts it matches; all if unset."""
    causes: Causes | None = Field(default=None, examples=[["maintenance"]])
    """Which causes it matches; all if unset."""
    shorter_than: Span | None = Field(default=None, examples=["10s"])
    """Match only events that are known to take less time than this."""
    handlers: Handlers = Field(default="all", examples=["none"])
    """Which handlers may work on these events: `all`, `none`, or a list of names."""
    lead: Lead | None = Field(default=None, examples=["announced"])
    """How long before the event's time these handlers begin, or `announced` for at once; as each says if unset."""


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


class SourceTable(BaseModel):
    """Where events come from. Other keys are the provider's own settings, as for `--set`."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, ProviderSetting] = Field(init=False)

    endpoint: str | None = Field(default=None, examples=["http://127.0.0.1:18169"])
    """Where its calls go instead of the cloud's own addresses."""

    @property
    def settings(self) -> dict[str, str]:
        """The provider's own settings."""
        return dict(self.__pydantic_extra__ or {})


class ProviderTable(SourceTable):
    """Settings of one provider. Other keys are the provider's own settings, as for `--set`."""

    machine: str | None = Field(default=None, examples=["web-0"])
    """This machine's name in its events."""
    region: str | None = Field(default=None, examples=["eu-west-1"])
    """Its region."""


class ShardTable(SourceTable):
    """A region that the watchers of one database share (`stormcone watch`). Other keys are its provider's settings."""

    provider: str | None = Field(default=None, examples=["alibaba"])
    """Which cloud; the configuration's `provider` if unset."""
    region: str | None = Field(default=None, examples=["cn-hangzhou"])
    """The cloud's region; the table's name if unset."""
    parts: int = Field(default=1, ge=1, le=MOST_PARTS, examples=[4])
    """Into how many parts it is divided by its machines' names, each watched by itself; the same at all watchers."""


class SinkTable(BaseModel):
    """A sink: it gets a message about every change, run and approval. Other keys are settings of its type."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)
    __pydantic_extra__: dict[str, Any] = Field(init=False)

    type: str = Field(examples=["webhook"])
    """The kind of sink: `webhook`, `notify`, `log`, `queue`, `otlp`, `fleet`, or one from a plug-in."""

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of its type's."""
        return dict(self.__pydantic_extra__ or {})


class FleetTable(Table):
    """The fleet that this machine is in: agents that share a database. `pip install 'stormcone[fleet]'`."""

    url: Secret = Field(examples=["postgresql://stormcone@db.example.com/stormcone"])
    """Where its database is, `postgresql://USER@HOST/DATABASE`; `file:PATH` or `env:NAME` say where that stands."""
    name: str = Field(default="default", min_length=1, examples=["shop"])
    """The fleet's name; one database may have several."""
    silence: PositiveSpan = SILENCE
    """After so long without a word others take this machine for silent, and approve nothing that names it."""


class GroupTable(Table):
    """A group of machines of the fleet, of which no more than so many may be away at once."""

    max_unavailable: Annotated[str, BeforeValidator(_limit)] = Field(examples=["25%"])
    """How many may be away: a number of machines from 1 on, or a share of the group such as `25%`; the same on all."""
    machines: Texts = Field(default=(), examples=[["db-*"]])
    """Which machines are in it: names, or patterns of names; this machine is if one of them is its own."""
    ours: Flag = False
    """Whether this machine is in it, whatever it is called."""


def _sink(value: str) -> str | SecretStr:
    """What may be a secret, which is every setting of a sink's, as far as is known here."""
    return SecretStr(value) if "." in value.partition("=")[0] else value


SinkText = Annotated[str | SecretStr, AfterValidator(_sink)]


class RunSettings(Table):
    """The whole configuration."""

    handlers: HandlerFile | None = Field(default=None, examples=["/etc/stormcone/handlers.py"])
    """A Python file with handlers; if its `App` is not called `app`, add a colon and the name."""
    provider: Texts = Field(default=(AUTO,), examples=["azure"])
    """The cloud, or several; `auto` finds out. `stormcone providers` lists them."""
    endpoint: Texts = Field(default=(), examples=["http://127.0.0.1:18169"])
    """Send every call to this address (a simulator's, say), not to the cloud's; PROVIDER=URL for one of several."""
    machine: Texts = Field(default=(), examples=["web-0"])
    """This machine's name in events; the cloud is asked if unset. With several providers, PROVIDER=NAME for any but the
    first.
    """
    region: Texts = Field(default=(), examples=["eu-west-1"])
    """The cloud's region; the cloud is asked if unset. PROVIDER=NAME for one of several."""
    set: Texts = Field(default=(), examples=[["queue=notices"]])
    """The provider's own settings: NAME=VALUE for the first provider, or PROVIDER.NAME=VALUE. In the file,
    `[providers.NAME]` reads better.
    """
    sink: Annotated[tuple[SinkText, ...], BeforeValidator(texts_of)] = Field(
        default=(), examples=[["log=log", "log.file=/var/log/stormcone.jsonl"]]
    )
    """Sinks: NAME=TYPE, and their settings, NAME.SETTING=VALUE. In the file, `[sinks.NAME]` reads better."""
    journal: JournalPlace | None = Field(default=None, examples=["/var/lib/stormcone/journal.db"])
    """The file that keeps what was seen and done; `/var/lib/stormcone/journal.db` for root, else
    `~/.local/state/stormcone/journal.db` if unset. Watchers that share one name a database: `postgresql://...`.
    """
    keep: PositiveSpan = KEEP
    """How long the journal keeps an event after its end."""
    interval: PositiveSpan | None = Field(default=None, examples=["5s"])
    """Time between polls; what the cloud advises if unset."""
    grace: Span = GRACE
    """How long handlers may go on once the agent is told to stop, as at a shutdown. systemd allows 2 minutes in all."""
    dry_run: Flag = False
    """Run no handler, approve nothing, write no journal: say what would be done."""
    workers: Flag = False
    """Offer the handlers' work to `stormcone worker` processes; the journal must be in a database."""
    shard: str | None = Field(default=None, examples=["cn-hangzhou_1of4"])
    """Watch only this one of `[shards]`, as `stormcone watch` does with each: its name, and `_KofN` if it has parts."""
    on_prepare: Words | None = Field(default=None, examples=["systemctl stop queue"])
    """A command to run when an event is announced; `[commands.NAME]` can say more."""
    on_started: Words | None = Field(default=None, examples=["logger begun"])
    """A command to run when the event has begun."""
    on_recover: Words | None = Field(default=None, examples=["systemctl start queue"])
    """A command to run when the event has ended."""
    lead: Lead | None = Field(default=None, examples=["30m"])
    """How long before the event's time `on_prepare` runs, or `announced` for at once; 1h if unset."""
    with_credentials: Flag = False
    """Give these three commands the cloud's credentials from the agent's environment."""
    approve: Literal["prepared", "never"] | None = Field(default=None, examples=["never"])
    """Whether events are approved once all handlers have prepared, or never; as the handler file says if unset, else
    `prepared`.
    """
    leader: str | None = Field(default=None, examples=["first"])
    """Who approves events that name several machines: `first`, or a machine's name; nobody if unset."""
    standby: str | None = Field(default=None, examples=["web-1"])
    """Who approves instead if the leader is silent."""
    standby_after: Span | None = Field(default=None, examples=["5m"])
    """How long the leader may be silent; 5m if unset."""
    approve_early: Span | None = Field(default=None, examples=["15m"])
    """Approve no earlier than this before the event's time, even if approval makes the event begin at once."""
    approve_short_freeze: Flag | None = Field(default=None, examples=[True])
    """Whether a freeze of 8 s or less is approved at once, prepared or not."""
    approve_consent: Flag | None = Field(default=None, examples=[True])
    """Whether to approve events that would not happen without approval."""
    postpone: Literal["never", "once"] | None = Field(default=None, examples=["once"])
    """Whether each event is put off once, if its cloud allows it."""
    postpone_by: PositiveSpan | None = Field(default=None, examples=["2d"])
    """How far it is put off at most; as far as the cloud allows if unset."""
    listen: Addresses = Field(default=(), examples=[["127.0.0.1:9464"]])
    """Where `/healthz`, `/readyz` and `/metrics` are served: `HOST:PORT`, a port on this machine only, or `unix:/PATH`.
    """
    log: Literal["auto", "text", "json"] = "auto"
    """How to print what happens: `text` for people, `json` for programs; `auto`: `text` on a terminal, else `json`."""
    as_json: Flag = Field(default=False, alias="json")
    """The same as `log = "json"`."""
    verbose: int = Field(default=0, ge=0)
    """Print more: 1, or 2 for everything."""
    commands: dict[str, CommandTable] = Field(default_factory=dict)
    """Handlers made of commands, by name."""
    rules: tuple[RuleTable, ...] = ()
    """What is done about events, by their impact and cause."""
    providers: dict[str, ProviderTable] = Field(default_factory=dict)
    """Settings of one provider, by its name."""
    sinks: dict[str, SinkTable] = Field(default_factory=dict)
    """Sinks, which get a message about every change, run and approval, by a name that you choose."""
    fleet: FleetTable | None = None
    """The fleet that this machine is in: agents that share a database, agree on approvals and keep limits."""
    shards: dict[str, ShardTable] = Field(default_factory=dict)
    """Regions that `stormcone watch` shares among the watchers of one database, by a name that you choose."""
    groups: dict[str, GroupTable] = Field(default_factory=dict)
    """Groups of machines of the fleet, by name, of which no more than so many may be away at once."""
