"""AWS's EC2: scheduled events, spot interruptions and the metadata service of an instance."""

from stormcone_simulators.aws.replay import AwsReplay as AwsReplay
from stormcone_simulators.aws.simulator import AwsSimulator as AwsSimulator
