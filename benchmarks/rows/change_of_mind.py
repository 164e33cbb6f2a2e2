"""From an event's being called off to its handler's being told."""

from statistics import quantiles

from figures import Figure, Measured
from watching import to_the_agent


def measure() -> Measured:
    cuts = quantiles(to_the_agent()[1], n=100)
    return Measured([Figure("p50", cuts[49], "ms"), Figure("p99", cuts[98], "ms")])
