"""Google Cloud's metadata server, and the part of the Compute API that is about maintenance."""

from stormcone_simulators.google.replay import GoogleReplay as GoogleReplay
from stormcone_simulators.google.simulator import GoogleSimulator as GoogleSimulator
