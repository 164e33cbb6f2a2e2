"""The journal's file before SQLite has it: what it is, how it is made, and that its name is on the disk."""

import os
import stat
import struct
from pathlib import Path

from stormcone.errors import JournalDamaged, JournalError, JournalTooNew, NotAJournal
from stormcone.journal.sqlite.lock import FileLock
from stormcone.journal.sqlite.schema import APPLICATION_ID, VERSION

ROLLBACK = "-journal"
"""What SQLite calls the file in which it notes how to undo the transaction that is going on."""

# Source: the file format of SQLite, "The Database Header".
_MAGIC = b"SQLite format 3\0"
_HEADER = 100
_VERSION_AT = 60
_APPLICATION_AT = 68


def beside(path: Path, suffix: str) -> Path:
    """The file whose name is the path's with something more."""
    return path.with_name(path.name + suffix)


def the_file(path: Path) -> Path:
    """The path, or what a symbolic link there names: one journal has one lock, by whatever name it is opened.

    Raises:
        JournalError: the links go in a circle.
    """
    try:
        return path.resolve() if path.is_symlink() else path
    except (OSError, RuntimeError) as error:  # a RuntimeError before Python 3.13
        raise JournalError(f"the journal {path} cannot be found: its symbolic links go in a circle") from error


def exposure(path: Path) -> str:
    """Who else may use the file, as a sentence to tell; "" where it is its owner's alone.

    It holds what handlers and commands have said.
    """
    mode = stat.S_IMODE(path.stat().st_mode)
    if not mode & 0o077:
        return ""
    others = "be written" if mode & 0o022 else "be read"
    return f"the journal {path} can {others} by others (mode {mode:04o}); if that is not meant: chmod 600 {path}"


def locked(path: Path) -> FileLock:
    """The lock on a journal, its folder made where it is missing.

    Raises:
        JournalLocked: another agent has it.
        JournalError: it cannot be made.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return FileLock(path)
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be made: {error.strerror}; name another with --journal"
        ) from error


def look_at(path: Path, *, used: bool) -> None:
    """Refuse what is no whole journal of ours by its first bytes, before SQLite changes anything in it.

    Args:
        path: there is a file.
        used: whether there has been a journal at this path.

    Raises:
        NotAJournal: it is something else.
        JournalDamaged: it is empty, or something else where a journal was.
        JournalTooNew: a newer stormcone wrote it.
        JournalError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            head = file.read(_HEADER)
    except OSError as error:
        raise JournalError(f"the journal {path} cannot be read: {error.strerror}; name another") from error
    if not head:
        raise JournalDamaged(f"the journal {path} is empty: what it held is lost")
    if len(head) < _HEADER or not head.startswith(_MAGIC):
        if used:
            raise JournalDamaged(f"the journal {path} cannot be used: file is not a database any more")
        raise NotAJournal(f"the journal {path} cannot be used: file is not a database; name another file")
    if _number(head, _APPLICATION_AT) != APPLICATION_ID:
        raise NotAJournal(f"{path} is a database, but not a stormcone journal; name another file")
    if (version := _number(head, _VERSION_AT)) > VERSION:
        raise JournalTooNew(
            f"the journal {path} has version {version} and this stormcone knows versions up to {VERSION}; "
            "run the newer stormcone, or name another journal"
        )


def _number(head: bytes, at: int) -> int:
    (number,) = struct.unpack_from(">I", head, at)
    return int(number)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
