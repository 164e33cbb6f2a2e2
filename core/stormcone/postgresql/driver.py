"""PostgreSQL's driver, which comes with an extra: that it is missing is said in one way, and with one exit status."""

from collections.abc import Iterator
from contextlib import contextmanager

from stormcone.errors import PluginError


@contextmanager
def driver_for(what: str) -> Iterator[None]:
    """Import within this block what needs the driver.

    Args:
        what: what it is for, as a sentence begins.

    Raises:
        PluginError: it is not installed; the text names the `pip install`.
    """
    try:
        yield
    except ImportError as error:
        why = f"{what} needs PostgreSQL's driver, which is not installed ({error})"
        raise PluginError(f"{why}; pip install 'stormcone[fleet]'") from error
