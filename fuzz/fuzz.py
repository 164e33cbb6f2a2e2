"""Spoilt documents and answers against the providers, and spoilt requests against the simulators.

    python fuzz/fuzz.py --seed 1 --documents 1000000 --answers 40000 --requests 100000

As many documents are of one kind as of another; answers are those that an SDK reads first, which takes it a hundred
times as long. A fiftieth of the requests goes over a real socket. What takes more than a second of processor time
counts as a hang. On the first fault what was read is printed, with the words that repeat it, and the status is 1;
otherwise the figures are.
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from random import Random
from types import FrameType

from answers import SERVICES, AnswerFuzzer
from calls import TARGETS, CallFuzzer
from documents import CLOUDS, DocumentFuzzer, Wrong
from singles import SINGLES, SingleFuzzer

LIMIT = 1.0
"""Seconds of processor time for one document or request."""

RAW_EVERY = 50
"""One request of so many goes over a socket."""

SMALL_EVERY = 10
"""One document of so many also goes to the readers of smaller things."""

_SHOWN = 2000


class Hang(Exception):
    """It took too long."""


def _too_long(_signal: int, _frame: FrameType | None) -> None:
    raise Hang(f"it took more than {LIMIT:g} s of processor time")


@contextmanager
def limited() -> Iterator[None]:
    """Raise `Hang` in what takes longer than `LIMIT`."""
    signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)


class Failed(Exception):
    """A promise was broken by one document or request."""


def fuzz_documents(cloud: str, seed: int, numbers: range) -> str:
    """Have so many documents read; answers the figures.

    Raises:
        Failed: a promise was broken.
    """
    return _read("document", SingleFuzzer if cloud in SINGLES else DocumentFuzzer, cloud, seed, numbers)


def fuzz_answers(cloud: str, seed: int, numbers: range) -> str:
    """Have so many answers of an SDK's read; answers the figures.

    Raises:
        Failed: a promise was broken.
    """
    return _read("answer", AnswerFuzzer, cloud, seed, numbers)


Fuzzer = DocumentFuzzer | SingleFuzzer | AnswerFuzzer


def _read(what: str, kind: Callable[[str, int], Fuzzer], cloud: str, seed: int, numbers: range) -> str:
    fuzzer = kind(cloud, seed)
    for number in numbers:
        rng = Random(f"{seed}:{cloud}:{what}:{number}")
        body, untouched = fuzzer.make(rng)
        try:
            with limited():
                fuzzer.check(body, untouched)
                if number % SMALL_EVERY == 0:
                    fuzzer.check_small(rng, body)
        except Exception as error:
            raise Failed(_told(what, cloud, seed, number, error, body)) from error
    return f"{fuzzer.readable} could be read, {fuzzer.kept} untouched entries beside spoilt ones were read as alone"


def fuzz_requests(cloud: str, seed: int, numbers: range) -> str:
    """Send so many requests; answers the figures.

    Raises:
        Failed: a promise was broken.
    """
    fuzzer, raw = CallFuzzer(cloud), CallFuzzer(cloud)
    try:
        for number in numbers:
            rng = Random(f"{seed}:{cloud}:request:{number}")
            try:
                if number % RAW_EVERY == 0:
                    call = raw.make(rng)
                    raw.check_raw(rng, call)
                else:
                    call = fuzzer.make(rng)
                    with limited():
                        fuzzer.check(call)
            except Exception as error:
                raise Failed(_told("request", cloud, seed, number, error, call)) from error
    finally:
        raw.close()
    return f"{fuzzer.taken} were granted, {len(numbers) // RAW_EVERY} went over a socket"


def _told(what: str, cloud: str, seed: int, number: int, error: Exception, given: object) -> str:
    kind = "" if isinstance(error, Wrong | Hang) else f"{type(error).__name__}: "
    return (
        f"{cloud}, {what} {number}: {kind}{error}\n{repr(given)[:_SHOWN]}\n"
        f"repeat it: python fuzz/fuzz.py --seed {seed} --cloud {cloud} --only {what}:{number}"
    )


Part = Callable[[str, int, range], str]

PARTS: dict[str, Part] = {"document": fuzz_documents, "answer": fuzz_answers, "request": fuzz_requests}

FUZZED: dict[str, tuple[str, ...]] = {
    "document": tuple(sorted({*CLOUDS, *SINGLES})),
    "answer": tuple(sorted(SERVICES)),
    "request": tuple(sorted(TARGETS)),
}
"""Of what there are documents, answers and requests."""


def _work(options: argparse.Namespace) -> Iterator[tuple[str, Part, str, range]]:
    if options.only:
        what, _, number = options.only.partition(":")
        clouds = [options.cloud] if options.cloud else FUZZED[what]
        # A request meets what the ones before it in the simulator's life have left.
        first = 0 if what == "request" else int(number)
        for cloud in clouds:
            yield what, PARTS[what], cloud, range(first, int(number) + 1)
        return
    counts = {"document": options.documents, "answer": options.answers, "request": options.requests}
    for what, count in counts.items():
        clouds = [cloud for cloud in FUZZED[what] if options.cloud in {None, cloud}]
        for cloud in clouds if count else ():
            yield what, PARTS[what], cloud, range(count // len(clouds))


def main() -> int:
    """Fuzz; answers the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=None, help="repeats a run; by default another one each time")
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--answers", type=int, default=40_000)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--cloud", choices=sorted({*chain(*FUZZED.values())}), help="of this cloud alone")
    parser.add_argument("--only", metavar="KIND:NUMBER", help="as a fault says it")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else time.time_ns() % 10**9
    logging.disable()
    signal.signal(signal.SIGVTALRM, _too_long)
    print(f"seed {seed}", flush=True)
    for what, part, cloud, numbers in _work(options):
        begun = time.monotonic()
        try:
            figures = part(cloud, seed, numbers)
        except Failed as failed:
            print(failed)
            return 1
        took = time.monotonic() - begun
        count = len(numbers)
        print(f"{cloud}: {count} {what}s, no fault; {figures}; {took:.0f} s, {count / took:.0f}/s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
