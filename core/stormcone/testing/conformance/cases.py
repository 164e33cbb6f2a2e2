"""The cases of a suite as data: what each one promises, and where the promise comes from."""

import inspect
from typing import NamedTuple


class Case(NamedTuple):
    """One case, as its docstring states it.

    Attributes:
        name: what is tested, as a sentence.
        promise: the docstring without its source.
        source: where the promise comes from.
    """

    name: str
    promise: str
    source: str


def cases(suite: type) -> list[Case]:
    """All cases of a suite, in their order."""
    found = []
    for name, member in vars(suite).items():
        if name.startswith("test_"):
            promise, _, source = inspect.cleandoc(member.__doc__ or "").partition("Source: ")
            words = name.removeprefix("test_").replace("_", " ")
            found.append(Case(words, " ".join(promise.split()), " ".join(source.split())))
    return found
