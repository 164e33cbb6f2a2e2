"""The libraries that sinks need and stormcone alone does not: imported when a sink is made, and quiet."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from stormcone.errors import PluginError


def part(module: str, extra: str) -> Any:
    """The module of a library that comes with an extra.

    Raises:
        PluginError: it is not installed; the text names the `pip install`.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise PluginError(
            f"the sink needs {module.partition('.')[0]}, which is not installed: pip install 'stormcone[{extra}]'"
        ) from error


def quieten(logger: str) -> None:
    """Have a library keep its own log to itself: what matters of it is in our errors, and it may name secrets."""
    log = logging.getLogger(logger)
    log.propagate = False
    if not log.handlers:
        log.addHandler(logging.NullHandler())


@contextmanager
def overheard(logger: str) -> Iterator[list[str]]:
    """What a library logs meanwhile, of warnings and worse: some say why they fail nowhere else."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    ear = Ear(logging.WARNING)
    log = logging.getLogger(logger)
    log.addHandler(ear)
    try:
        yield said
    finally:
        log.removeHandler(ear)
