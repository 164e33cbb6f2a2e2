"""One handler for every cloud's maintenance: prepare, approve, ride it out, recover.

Everything that handler files, providers and programs that embed an agent need is here, and is public: it changes with
a word in the changelog. Public too are `stormcone.clouds` for providers, `stormcone.simulators` for simulators, and
`stormcone.testing` for tests. Every other module is how it is done, and may change without a word.

Names are imported when they are first used, so that `stormcone --help` does not pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stormcone.agent.loop import Agent as Agent
    from stormcone.agent.notices import Notice as Notice
    from stormcone.agent.notices import NoticeKind as NoticeKind
    from stormcone.agent.settings import AgentSettings as AgentSettings
    from stormcone.agent.watch import AgentStatus as AgentStatus
    from stormcone.agent.workers import Executor as Executor
    from stormcone.agent.workers import InlineExecutor as InlineExecutor
    from stormcone.agent.workers import ThreadExecutor as ThreadExecutor
    from stormcone.clock import Clock as Clock
    from stormcone.clock import ManualClock as ManualClock
    from stormcone.clock import SystemClock as SystemClock
    from stormcone.clouds.contract import Acknowledges as Acknowledges
    from stormcone.clouds.contract import Explains as Explains
    from stormcone.clouds.contract import Extends as Extends
    from stormcone.clouds.contract import Hints as Hints
    from stormcone.clouds.contract import Permissions as Permissions
    from stormcone.clouds.contract import Postpones as Postpones
    from stormcone.clouds.contract import Provider as Provider
    from stormcone.clouds.contract import ProviderOptions as ProviderOptions
    from stormcone.clouds.contract import Right as Right
    from stormcone.clouds.contract import Simulates as Simulates
    from stormcone.clouds.contract import Source as Source
    from stormcone.errors import GiveUp as GiveUp
    from stormcone.errors import HandlerFileError as HandlerFileError
    from stormcone.errors import JournalDamaged as JournalDamaged
    from stormcone.errors import JournalError as JournalError
    from stormcone.errors import JournalFenced as JournalFenced
    from stormcone.errors import JournalLocked as JournalLocked
    from stormcone.errors import JournalTooNew as JournalTooNew
    from stormcone.errors import NoSuchEvent as NoSuchEvent
    from stormcone.errors import NotAJournal as NotAJournal
    from stormcone.errors import PluginError as PluginError
    from stormcone.errors import ProviderError as ProviderError
    from stormcone.errors import ProviderUnavailable as ProviderUnavailable
    from stormcone.errors import RequestRefused as RequestRefused
    from stormcone.errors import Retry as Retry
    from stormcone.errors import SettingsError as SettingsError
    from stormcone.errors import SimulationError as SimulationError
    from stormcone.errors import StormconeError as StormconeError
    from stormcone.errors import TraceError as TraceError
    from stormcone.errors import Unreachable as Unreachable
    from stormcone.errors import Veto as Veto
    from stormcone.handlers import App as App
    from stormcone.handlers import Context as Context
    from stormcone.handlers import EventRule as EventRule
    from stormcone.handlers import Handler as Handler
    from stormcone.handlers import Stage as Stage
    from stormcone.journal import Journal as Journal
    from stormcone.journal import JournalStore as JournalStore
    from stormcone.model import Approval as Approval
    from stormcone.model import Capabilities as Capabilities
    from stormcone.model import Cause as Cause
    from stormcone.model import EventKey as EventKey
    from stormcone.model import Impact as Impact
    from stormcone.model import Machine as Machine
    from stormcone.model import MaintenanceEvent as MaintenanceEvent
    from stormcone.model import Observation as Observation
    from stormcone.model import Origin as Origin
    from stormcone.model import Outcome as Outcome
    from stormcone.model import Phase as Phase
    from stormcone.model import Scope as Scope

_HOMES = {
    "agent.loop": ("Agent",),
    "agent.notices": (
        "Notice",
        "NoticeKind",
    ),
    "agent.settings": ("AgentSettings",),
    "agent.watch": ("AgentStatus",),
    "agent.workers": (
        "Executor",
        "InlineExecutor",
        "ThreadExecutor",
    ),
    "clock": (
        "Clock",
        "ManualClock",
        "SystemClock",
    ),
    "clouds.contract": (
        "Acknowledges",
        "Explains",
        "Extends",
        "Hints",
        "Permissions",
        "Postpones",
        "Provider",
        "ProviderOptions",
        "Right",
        "Simulates",
        "Source",
    ),
    "errors": (
        "GiveUp",
        "HandlerFileError",
        "JournalDamaged",
        "JournalError",
        "JournalFenced",
        "JournalLocked",
        "JournalTooNew",
        "NoSuchEvent",
        "NotAJournal",
        "PluginError",
        "ProviderError",
        "ProviderUnavailable",
        "RequestRefused",
        "Retry",
        "SettingsError",
        "SimulationError",
        "StormconeError",
        "TraceError",
        "Unreachable",
        "Veto",
    ),
    "handlers": (
        "App",
        "Context",
        "EventRule",
        "Handler",
        "Stage",
    ),
    "journal": (
        "Journal",
        "JournalStore",
    ),
    "model": (
        "Approval",
        "Capabilities",
        "Cause",
        "EventKey",
        "Impact",
        "Machine",
        "MaintenanceEvent",
        "Observation",
        "Origin",
        "Outcome",
        "Phase",
        "Scope",
    ),
}
_MODULES = {name: f"stormcone.{module}" for module, names in _HOMES.items() for name in names}

__version__ = "0.1.0"
__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    try:
        module = _MODULES[name]
    except KeyError:
        raise AttributeError(f"module 'stormcone' has no attribute {name!r}") from None
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
