"""Replaying a trace through a simulator's own protocol; each cloud brings a `CloudReplay`."""

from stormcone_simulators.replay.simulator import ReplaySimulator as ReplaySimulator
from stormcone_simulators.replay.track import CloudReplay as CloudReplay
