"""Every error that stormcone raises, in one tree, and the words a handler raises.

```
Exception
├── StormconeError                  exit status 1
│   ├── ProviderError               69  the cloud could not be asked: "unknown", never "nothing scheduled"
│   │   ├── Unreachable             69  no connection could be made
│   │   ├── ProviderUnavailable     69  this is not that cloud
│   │   │   └── PartMissing         78  a part that is needed is not installed
│   │   └── RequestRefused          70  the cloud answered, and refuses what was asked
│   ├── PluginError                 78  a plug-in, or a part that is needed, cannot be used
│   ├── HandlerFileError            66  the user's handler file cannot be used
│   │   └── HandlerMistake          66  a handler or an app is not what it must be
│   ├── SettingsError               64  an option's value cannot be used
│   ├── SimulationError             65  a simulated event cannot be made or called off
│   │   └── PortInUse               71  a simulator cannot listen where it is to
│   ├── TraceError                  73  a trace cannot be written, or what is there is none
│   ├── SinkError                   76  a sink could not be told
│   │   └── SinkRefused             76  it does not take this notification, now or later
│   ├── FleetError                  77  the fleet's store cannot be asked, or cannot write
│   └── JournalError                74  the journal cannot be read or written
│       ├── JournalLocked           75  another agent has it
│       ├── JournalFenced           75  another agent has taken it over
│       ├── NotAJournal             74  the file is something else
│       ├── JournalDamaged          74  it was a journal, and is not whole any more
│       └── JournalTooNew           74  a newer stormcone wrote it
└── HandlerSignal                   not errors: what a handler says by raising
    ├── Retry                       try again, after a while
    ├── GiveUp                      do not try again
    └── Veto                        prepared or not: do not approve
```

The exit statuses are those of `sysexits.h` where one fits; they are stable.
"""

from collections.abc import Collection
from datetime import timedelta
from typing import ClassVar


class StormconeError(Exception):
    """Base of all errors; its text is one sentence: what failed, why, what to do."""

    exit_code: ClassVar[int] = 1


class ProviderError(StormconeError):
    """The cloud could not be asked, so what is scheduled is unknown.

    Attributes:
        passing: True where asking again later may help, False where the request itself is at fault.
        retry_after: seconds that the cloud asks us to wait, or None.
    """

    exit_code = 69

    def __init__(self, message: str, *, passing: bool = True, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after = retry_after


class Unreachable(ProviderError):
    """No connection could be made: nothing listens there, or there is no way to it."""


class ProviderUnavailable(ProviderError):
    """This machine is not on that cloud, or the provider cannot work here."""


class PartMissing(ProviderUnavailable):
    """A part that is needed is not installed; the text names the `pip install`. A restart does not help."""

    exit_code = 78


class RequestRefused(ProviderError):
    """The cloud understood and refused; asking the same again does not help."""

    exit_code = 70

    def __init__(self, message: str) -> None:
        super().__init__(message, passing=False)


class PluginError(StormconeError):
    """A plug-in, or a part that is needed, cannot be imported, lacks what it must have, or shares its name."""

    exit_code = 78


class HandlerFileError(StormconeError):
    """The user's handler file does not import or has no `App` of the wanted name."""

    exit_code = 66


class HandlerMistake(HandlerFileError, TypeError, ValueError):
    """A handler or an app would not do what its author wrote it for; the text says where it is and what to write.

    Attributes:
        placed: whether the text says in which line.
    """

    def __init__(self, message: str, place: str = "") -> None:
        super().__init__(f"{message} ({place})" if place else message)
        self.placed = bool(place)


class SettingsError(StormconeError):
    """An option or setting has a value that cannot be used.

    Attributes:
        setting: which of a provider's own it is about; "" where it is about something else.
        known: where the provider has no setting of that name, those that it has; else None.
    """

    exit_code = 64

    def __init__(self, message: str, *, setting: str = "", known: Collection[str] | None = None) -> None:
        super().__init__(message)
        self.setting = setting
        self.known = known


class SimulationError(StormconeError):
    """A simulated event cannot be made or changed as asked."""

    exit_code = 65


class NoSuchEvent(SimulationError):
    """This cloud has no event of that impact or cause: a test that runs once for each cloud skips it."""


class PortInUse(SimulationError):
    """A simulator cannot listen where it was told to."""

    exit_code = 71


class TraceError(StormconeError):
    """A trace cannot be written, or the file cannot be read as one."""

    exit_code = 73


class SinkError(StormconeError):
    """A sink could not be told, as far as is known; it is told again.

    Attributes:
        retry_after: seconds that the receiver asks to wait, or None.
    """

    exit_code = 76

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SinkRefused(SinkError):
    """The receiver does not take this notification, now or later."""


class FleetError(StormconeError):
    """The fleet's store cannot be asked, or cannot write: what the others say is not known."""

    exit_code = 77


class JournalError(StormconeError):
    """The journal cannot be opened, read or written."""

    exit_code = 74


class JournalLocked(JournalError):
    """Another agent is using the journal."""

    exit_code = 75


class JournalFenced(JournalError):
    """Another agent has taken the journal over, or may have: this one writes and approves nothing more."""

    exit_code = 75


class NotAJournal(JournalError):
    """The file is something else; nothing in it was changed."""


class JournalDamaged(JournalError):
    """The journal's content no longer holds together: part of what was seen and done is lost."""


class JournalTooNew(JournalError):
    """The journal was written by a newer stormcone than this one."""


class HandlerSignal(Exception):
    """What a handler says by raising; see the subclasses."""


class Retry(HandlerSignal):
    """Try this stage again.

    Args:
        why: one line for the journal.
        after: how long to wait, a timedelta or seconds; None takes the usual backoff.

    Raises:
        TypeError: `after` is something else.
        ValueError: `after` is negative, or more than ten years.
    """

    def __init__(self, why: str = "", *, after: timedelta | float | None = None) -> None:
        super().__init__(why)
        self.after = _pause(after)


class GiveUp(HandlerSignal):
    """Do not try this stage again; the event is not approved."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


class Veto(HandlerSignal):
    """Whatever has been prepared: do not approve this event."""

    def __init__(self, why: str) -> None:
        super().__init__(why)


_LONGEST_PAUSE = timedelta(days=3660)


def _pause(after: object) -> timedelta | None:
    if after is None:
        return None
    if isinstance(after, bool) or not isinstance(after, int | float | timedelta):
        raise TypeError(f"after is a timedelta, a number of seconds or None, not {after!r}")
    seconds = after.total_seconds() if isinstance(after, timedelta) else after
    if not 0 <= seconds <= _LONGEST_PAUSE.total_seconds():
        raise ValueError(f"after is from 0 to ten years, not {after}")
    return timedelta(seconds=seconds)
