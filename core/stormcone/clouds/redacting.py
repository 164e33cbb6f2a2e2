"""Keeps secrets out of what a vendor's library logs: each record is rewritten before any handler sees it."""

import logging
from collections.abc import Callable, Collection

_AS_TEXT = logging.Formatter()


class Redacting(logging.Filter):
    """Rewrites records in place.

    Args:
        packages: whose loggers may write secrets down.
        clean: makes a text without them.
        shown: whether a record, clean by then, is for anybody's eyes.
    """

    def __init__(
        self,
        packages: Collection[str],
        clean: Callable[[str], str],
        shown: Callable[[logging.LogRecord], bool],
    ) -> None:
        super().__init__()
        self._packages = packages
        self._clean = clean
        self._shown = shown

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record."""
        try:
            said = record.getMessage()
        except (TypeError, ValueError):
            return True  # logging itself reports a message that does not fit its arguments
        clean = self._clean(said)
        if clean != said:
            record.msg, record.args = clean, ()
        if record.exc_info:
            record.exc_text = self._clean(_AS_TEXT.formatException(record.exc_info))
            record.exc_info = None
        return self._shown(record)

    def apply(self) -> None:
        """Rewrite what the packages log from now on, as far as they are imported; safe to call again."""
        for name in self.loggers():
            logging.getLogger(name).addFilter(self)

    def loggers(self) -> tuple[str, ...]:
        """The names of all loggers of the packages: a filter does not go down to the loggers below its own."""
        known = tuple(logging.root.manager.loggerDict)
        return tuple(name for name in known if name.partition(".")[0] in self._packages)
