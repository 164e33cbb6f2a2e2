"""From an event's being visible to the first line of its handler."""

from statistics import quantiles

from figures import Figure, Measured
from watching import to_a_loop, to_the_agent


def measure() -> Measured:
    figures = []
    for beside, took in {"": to_the_agent()[0], ", a loop that calls the function": to_a_loop()}.items():
        cuts = quantiles(took, n=100)
        figures += [Figure(f"p50{beside}", cuts[49], "ms"), Figure(f"p99{beside}", cuts[98], "ms")]
    return Measured(figures)
