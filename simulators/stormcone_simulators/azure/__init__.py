"""Azure's metadata service: Scheduled Events and instance metadata."""

from stormcone_simulators.azure.replay import AzureReplay as AzureReplay
from stormcone_simulators.azure.simulator import AzureSimulator as AzureSimulator
