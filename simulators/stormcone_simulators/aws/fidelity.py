"""How true the AWS simulator is to EC2."""

from stormcone_simulators.aws.api.fidelity import APIS, REPLAY
from stormcone_simulators.aws.imds.fidelity import METADATA
from stormcone_simulators.fidelity import Sheet

SHEET: Sheet = (*METADATA, *APIS, *REPLAY)
"""See `stormcone_simulators.fidelity`."""
