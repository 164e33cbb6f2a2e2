"""One handler for every cloud's maintenance: prepare, approve, ride it out, recover.

Everything that a handler file needs is here. Names are imported when they are first used, so that
`stormcone --help` does not pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stormcone.agent.loop import Agent as Agent
    from stormcone.clock import Clock as Clock
    from stormcone.clock import ManualClock as ManualClock
    from stormcone.clock import SystemClock as SystemClock
    from stormcone.handlers.context import Context as Context
    from stormcone.errors import GiveUp as GiveUp
    from stormcone.errors import ProviderError as ProviderError
    from stormcone.errors import ProviderUnavailable as ProviderUnavailable
    from stormcone.errors import Retry as Retry
    from stormcone.errors import StormconeError as StormconeError
    from stormcone.errors import Veto as Veto
    from stormcone.handlers import App as App
    from stormcone.handlers import Handler as Handler
    from stormcone.handlers import Stage as Stage
    from stormcone.journal import Journal as Journal
    from stormcone.model import Approval as Approval
    from stormcone.model import Capabilities as Capabilities
    from stormcone.model import Cause as Cause
    from stormcone.model import Impact as Impact
    from stormcone.model import Machine as Machine
    from stormcone.model import MaintenanceEvent as MaintenanceEvent
    from stormcone.model import Observation as Observation
    from stormcone.model import Origin as Origin
    from stormcone.model import Outcome as Outcome
    from stormcone.model import Phase as Phase
    from stormcone.clouds.contract import Provider as Provider
    from stormcone.clouds.contract import ProviderOptions as ProviderOptions
    from stormcone.clouds.contract import Simulates as Simulates

_HOMES = {
    "agent": ("Agent",),
    "clock": ("Clock", "ManualClock", "SystemClock"),
    "errors": ("GiveUp", "ProviderError", "ProviderUnavailable", "Retry", "StormconeError", "Veto"),
    "context": ("Context",),
    "handlers": ("App", "Handler", "Stage"),
    "journal": ("Journal",),
    "model": (
        "Approval",
        "Capabilities",
        "Cause",
        "Impact",
        "Machine",
        "MaintenanceEvent",
        "Observation",
        "Origin",
        "Outcome",
        "Phase",
    ),
    "provider": ("Provider", "ProviderOptions", "Simulates"),
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
