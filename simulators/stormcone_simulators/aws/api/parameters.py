"""The parameters of the query protocols: read, and held to what each operation has.

An operation says of every parameter that its clients can send whether it is honoured, or refused and why; one that no
table has is refused by its name, so that no test passes by an option that does nothing.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime

from stormcone.clouds.dates import read_time
from stormcone_simulators.aws.api.errors import AwsError, invalid, missing, unsupported
from stormcone_simulators.http.messages import Request, form_of, repeated_parameters

HONOURED = ""
"""In a table of parameters: it makes a difference."""

NOTHING_SUCH = "no difference: there is nothing of the kind here"
"""In a table of parameters: it may be given, and changes nothing there is."""

COMMON = frozenset({"Action", "Version"})

_MOST_DIGITS = 18

Table = Mapping[str, str]
"""By a parameter's first name: `HONOURED`, `NOTHING_SUCH`, or why it is refused."""


def parameters_of(request: Request) -> Mapping[str, str]:
    """What a call of a query protocol says, in its query or its form.

    Raises:
        AwsError: it says something twice. Source: the services' pages of common errors; that they refuse this, and by
            that code, is unverified. To take one of the two would hide a client's mistake.
    """
    if repeated := repeated_parameters(request, in_form=True):
        raise AwsError("InvalidQueryParameter", f"The parameter {repeated[0]} is given more than once")
    return {**request.query, **form_of(request)}


class Parameters:
    """What a call says.

    Args:
        given: by name, such as `Filter.1.Value.2`.
        table: what the operation has.

    Raises:
        AwsError: one is unknown or refused.
    """

    def __init__(self, given: Mapping[str, str], table: Table) -> None:
        self._given = {name: value for name, value in given.items() if name not in COMMON}
        for name in self._given:
            first = name.partition(".")[0]
            if first not in table:
                raise AwsError("UnknownParameter", f"The parameter {first} is not recognized")
            if table[first] not in {HONOURED, NOTHING_SUCH}:
                raise unsupported(f"the parameter {first}: {table[first]}")

    def text(self, name: str, default: str | None = None) -> str:
        """A text.

        Raises:
            AwsError: it is not there, and has no default.
        """
        value = self._given.get(name, default)
        if value is None or (value == "" and default is None):
            raise missing(name)
        return value

    def flag(self, name: str) -> bool:
        """Whether it says `true`; False where it is not there.

        Raises:
            AwsError: it is neither `true` nor `false`.
        """
        value = self._given.get(name, "false")
        if value.lower() not in {"true", "false"}:
            raise invalid(name, value)
        return value.lower() == "true"

    def number(self, name: str, *, least: int, most: int) -> int | None:
        """A number; None where it is not there.

        Raises:
            AwsError: it is none, or out of bounds.
        """
        value = self._given.get(name)
        if value is None:
            return None
        if not _is_number(value.removeprefix("-")) or not least <= int(value) <= most:
            raise invalid(name, value, f"Expecting a number between {least} and {most}.")
        return int(value)

    def time(self, name: str) -> datetime:
        """A time.

        Raises:
            AwsError: it is not there, or none.
        """
        value = self.text(name)
        try:
            return read_time(value)
        except ValueError:
            raise invalid(name, value) from None

    def names(self, name: str) -> tuple[str, ...]:
        """A list of texts: `NAME.1`, or `NAME.member.1`, in the order of their numbers."""
        found = {
            int(number): value
            for given, value in self._given.items()
            if (number := given.removeprefix(f"{name}.").removeprefix("member.")) != given and _is_number(number)
        }
        return tuple(found[number] for number in sorted(found))

    def filters(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The filters, each with its values.

        Raises:
            AwsError: one has no name or no value.
        """
        numbers = sorted({int(part) for given in self._given if _is_number(part := _second(given))})
        for number in numbers:
            name = self.text(f"Filter.{number}.Name")
            values = self.names(f"Filter.{number}.Value")
            if not values:
                raise invalid("Filter", name, "The filter has no value.")
            yield name, values


def _second(given: str) -> str:
    parts = given.split(".")
    return parts[1] if parts[0] == "Filter" and len(parts) > 2 else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
