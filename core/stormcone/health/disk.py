"""The journal's file as the disk has it: looked at from outside, without touching what the agent does with it."""

import os
from pathlib import Path

from stormcone.postgresql.address import is_address

LEAST_ROOM = 1024 * 1024
"""Bytes that a journal needs to go on: a transaction, and how to undo it."""


def journal_trouble(path: str) -> str:
    """Why a journal could not be written now, as far as that can be seen from outside; "" where it could."""
    if path == ":memory:" or is_address(path):
        return ""
    file = Path(path)
    try:
        room = os.statvfs(file.parent)
        file.stat()
    except OSError as error:
        return f"{path} cannot be looked at: {error.strerror}"
    if room.f_flag & os.ST_RDONLY:
        return f"{path} is on a disk that is mounted read-only"
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        return f"{path} or its folder may not be written by this user"
    free = room.f_bavail * room.f_frsize
    if free < LEAST_ROOM:
        return f"the disk of {path} is full: {free} bytes are left"
    return ""


def journal_size(path: str) -> int | None:
    """The bytes of a journal's file; None where it has none."""
    try:
        return Path(path).stat().st_size
    except OSError:
        return None
