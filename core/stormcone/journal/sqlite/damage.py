"""What becomes of a journal that is damaged: it is set aside, whole, and somebody is told."""

from datetime import UTC, datetime
from pathlib import Path

from stormcone.errors import JournalError
from stormcone.journal.sqlite.files import ROLLBACK, beside, sync_folder

_MARK = ".damaged-"


def set_aside(path: Path, at: datetime, why: str) -> str:
    """Rename a damaged journal, which nobody has open, to `NAME.damaged-TIME`; answers the sentence to tell.

    What SQLite has noted of its last transaction goes with it: left behind, it would be rolled back into the next
    journal of the name.

    Args:
        path: the journal.
        at: the time, for its new name.
        why: what is wrong with it, as a sentence.

    Raises:
        JournalError: it cannot be renamed.
    """
    kept = _free_name(path, at)
    try:
        note = beside(path, ROLLBACK)
        if note.exists():
            note.rename(beside(kept, ROLLBACK))
        path.rename(kept)
        sync_folder(path.parent)
    except OSError as error:
        raise JournalError(
            f"{why}, and it cannot be set aside: {error.strerror}; rename it, or name another"
        ) from error
    return (
        f"{why}; it is kept as {kept} and a new one is begun, so what was prepared for an event that is "
        "still going on is not recovered from: see to that by hand"
    )


def damaged(path: Path) -> list[Path]:
    """The journals that were set aside beside this one, oldest first."""
    return sorted(file for file in path.parent.glob(f"{path.name}{_MARK}*") if not file.name.endswith(ROLLBACK))


def _free_name(path: Path, at: datetime) -> Path:
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    kept = beside(path, _MARK + stamp)
    number = 1
    while kept.exists():
        number += 1
        kept = beside(path, f"{_MARK}{stamp}-{number}")
    return kept
