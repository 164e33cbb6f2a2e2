"""Alibaba Cloud's ECS: system events over its API, and the metadata service of an instance."""

from stormcone_simulators.alibaba.replay import AlibabaReplay as AlibabaReplay
from stormcone_simulators.alibaba.simulator import AlibabaSimulator as AlibabaSimulator
