"""Record what a cloud says, to replay it: the format, the recorder, the anonymiser. It knows no cloud.

A provider tells of its exchanges through `ProviderOptions.tap`; a `Recorder` keeps them as a trace, which is a
cassette of vcrpy with times; `read_trace` reads it, for the simulators to replay.

Names are imported when they are first used: an agent wants to know what is a secret, and records nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stormcone.recording.recorder import Recorder as Recorder
    from stormcone.recording.trace_file import Header as Header
    from stormcone.recording.trace_file import Trace as Trace
    from stormcone.recording.trace_file import TraceEntry as TraceEntry
    from stormcone.recording.trace_file import read_trace as read_trace

_MODULES = {
    "Recorder": "stormcone.recording.recorder",
    **dict.fromkeys(("Header", "Trace", "TraceEntry", "read_trace"), "stormcone.recording.trace_file"),
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    try:
        module = _MODULES[name]
    except KeyError:
        raise AttributeError(f"module 'stormcone.recording' has no attribute {name!r}") from None
    return getattr(import_module(module), name)
