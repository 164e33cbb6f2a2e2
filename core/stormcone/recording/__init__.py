"""Record what a cloud says, to replay it: the format, the recorder, the anonymiser. It knows no cloud.

A provider tells of its exchanges through `ProviderOptions.tap`; a `Recorder` keeps them as a trace, which is a
cassette of vcrpy with times; `read_trace` reads it, for the simulators to replay.
"""

from stormcone.recording.recorder import Recorder as Recorder
from stormcone.recording.trace_file import Header as Header
from stormcone.recording.trace_file import Trace as Trace
from stormcone.recording.trace_file import TraceEntry as TraceEntry
from stormcone.recording.trace_file import read_trace as read_trace
