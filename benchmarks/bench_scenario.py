"""How long a day of a thousand events takes on a manual clock, and how long a simulator takes to start and stop.

    python benchmarks/bench_scenario.py

Beside it, in the same run, stands the time of as many bare HTTP exchanges with the simulator, so that one sees what
part the exchanges have.
"""

import statistics
import time
from datetime import timedelta

import requests

from stormcone import Impact, ManualClock
from stormcone_simulators.azure import AzureSimulator

EVENTS = 1000
DAY = timedelta(hours=24)
STARTS = 200


def a_day() -> float:
    clock = ManualClock()
    begun = time.perf_counter()
    with AzureSimulator(["web-0"], clock=clock) as simulator, requests.Session() as session:
        session.trust_env = False
        url = f"{simulator.url}/metadata/scheduledevents?api-version=2020-07-01"
        for _ in range(EVENTS):
            simulator.schedule(Impact.FREEZE, resources=["web-0"], notice=timedelta(minutes=15))
            clock.advance(DAY / EVENTS)
            session.get(url, headers={"Metadata": "true"}, timeout=5).raise_for_status()
        clock.advance(hours=1)
        assert sum(event["phase"] == "ended" for event in simulator.events()) == EVENTS
    return time.perf_counter() - begun


def exchanges() -> float:
    with AzureSimulator(["web-0"]) as simulator, requests.Session() as session:
        session.trust_env = False
        begun = time.perf_counter()
        for _ in range(EVENTS):
            session.get(f"{simulator.url}/_simulator/clock", timeout=5).raise_for_status()
        return time.perf_counter() - begun


def start_and_stop() -> list[float]:
    took = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        with AzureSimulator(["web-0"]):
            pass
        took.append((time.perf_counter() - begun) * 1e3)
    return took


def main() -> None:
    starts = start_and_stop()
    print(f"{'what':<58} {'time':>10}")
    print(f"{f'{EVENTS} events over 24 h of the clock, a poll after each':<58} {a_day():>8.2f} s")
    print(f"{f'{EVENTS} bare exchanges with the same server':<58} {exchanges():>8.2f} s")
    print(f"{f'start and stop of a simulator, median of {STARTS}':<58} {statistics.median(starts):>7.2f} ms")
    print(f"{'start and stop of a simulator, slowest':<58} {max(starts):>7.2f} ms")


if __name__ == "__main__":
    main()
