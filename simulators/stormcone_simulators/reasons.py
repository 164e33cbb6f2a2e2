"""Validation errors in one sentence that names the field."""

from pydantic import ValidationError


def reason(error: ValidationError) -> str:
    """The first thing that is wrong, as `field: why`."""
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    why = first["msg"].removeprefix("Value error, ")
    why = why[:1].lower() + why[1:]
    return f"{where}: {why}" if where else why
