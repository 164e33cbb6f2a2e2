"""Pages of an answer, by number or by token, and the entries that a call's filters leave."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from stormcone_simulators.alibaba.documents import MINUTE_FORMAT, Document
from stormcone_simulators.alibaba.errors import ApiError
from stormcone_simulators.alibaba.operations.contract import MOST
from stormcone_simulators.alibaba.parameters import Arguments, Form, Parameter, bad

Entry = TypeVar("Entry")


def page(entries: Sequence[Entry], given: Arguments) -> tuple[Document, Sequence[Entry]]:
    """A numbered page: what is said of it, and its entries."""
    number, size = given["PageNumber"], given["PageSize"]
    paging = {"PageNumber": number, "PageSize": size, "TotalCount": len(entries)}
    return paging, entries[(number - 1) * size : number * size]


class Numbered(NamedTuple):
    """An entry that a token can name.

    Attributes:
        number: its own, by which the entries are in order.
        entry: it.
    """

    number: int
    entry: Any


def page_or_rest(
    entries: Callable[[int | None], Iterable[Numbered]], given: Arguments, *, most: int = MOST
) -> tuple[Document, Sequence[Any]]:
    """A numbered page, or, where that is asked for, the next one by a token.

    A token names the last entry that was shown, so that newer ones move no page.

    Args:
        entries: the entries behind that of this number; None: all.
        given: the call's values.
        most: how many entries a page by token may have.
    """
    if given["MaxResults"] is None and given["NextToken"] is None:
        return page([each.entry for each in entries(None)], given)
    size = min(max(given["MaxResults"] or 10, 10), most)
    rest = list(islice(entries(_read_token(given["NextToken"])), size + 1))
    # What these three say is meaningless on this way of paging; 0 shows whoever relies on them.
    paging: Document = {"PageNumber": 0, "PageSize": 0, "TotalCount": 0}
    if len(rest) > size:
        paging["NextToken"] = urlsafe_b64encode(f"behind {rest[size - 1].number}".encode()).decode()
    return paging, [each.entry for each in rest[:size]]


_TOKEN = re.compile(rb"behind ([0-9]{1,18})")


def _read_token(token: str | None) -> int | None:
    if token is None:
        return None
    try:
        match = _TOKEN.fullmatch(urlsafe_b64decode(token))
    except ValueError:
        match = None
    if match is None:
        raise bad("NextToken")
    return int(match[1])


class Filter(NamedTuple):
    """A parameter that leaves only the entries whose document has what it says.

    Attributes:
        parameter: it.
        path: where in the document: names, with dots between; through a list, in any of its entries.
        wild: whether a `*` stands for any text.
        any_case: whether upper and lower case are the same.
        everything: the value that stands for all; None: there is none.
    """

    parameter: Parameter
    path: str
    wild: bool = False
    any_case: bool = False
    everything: str | None = None

    def keeps(self, document: Document, asked: Any) -> bool:
        """Whether the document fits; nothing asked for fits all."""
        if asked in (None, (), self.everything):
            return True
        wanted = asked if isinstance(asked, tuple) else (asked,)
        return any(self._same(found, each) for found in _found(document, self.path.split(".")) for each in wanted)

    def _same(self, found: Any, wanted: Any) -> bool:
        if self.any_case:
            return bool(found.lower() == wanted.lower())
        if self.wild:
            return re.fullmatch(".*".join(map(re.escape, wanted.split("*"))), found, re.DOTALL) is not None
        return bool(found == wanted)


def _found(value: Any, path: Sequence[str]) -> Iterator[Any]:
    if isinstance(value, list):
        for each in value:
            yield from _found(each, path)
    elif not path:
        yield value
    elif path[0] in value:
        yield from _found(value[path[0]], path[1:])


def asks(filters: Iterable[Filter], given: Arguments) -> bool:
    """Whether the call gives any of the filters."""
    return any(given[each.parameter.name] not in (None, ()) for each in filters)


def fits(document: Document, filters: Iterable[Filter], given: Arguments) -> bool:
    """Whether the document fits all that the call asks for."""
    return all(each.keeps(document, given[each.parameter.name]) for each in filters)


def tagged(document: Document, given: Arguments) -> bool:
    """Whether the document has all the tags that the call asks for."""
    tags = {tag["TagKey"]: tag["TagValue"] for tag in document["Tags"]["Tag"]}
    return all(key in tags and value in {None, tags[key]} for key, value in tags_of(given))


def tags_of(given: Arguments) -> Sequence[tuple[str, str | None]]:
    """The tags that a call asks for: keys, each with its value or None for any."""
    return [(tag["Key"], tag["Value"]) for tag in given["Tag"]]


TIME_FILTERS = Parameter(name="Filter", form=Form.RECORDS, fields={"Key": True, "Value": True}, most=4)
"""By when something was made or expires. Today's documentation knows `CreationStartTime` alone, that of 2018 all."""

_TIMES: Mapping[str, tuple[str, bool]] = {
    "CreationStartTime": ("CreationTime", True),
    "CreationEndTime": ("CreationTime", False),
    "ExpiredStartTime": ("ExpiredTime", True),
    "ExpiredEndTime": ("ExpiredTime", False),
}


class TimeBound(NamedTuple):
    """What a `Filter` of a call asks for: a time of the document's, from or up to a minute, which is included."""

    field: str
    first: bool
    minute: datetime


def time_bounds(given: Arguments) -> Sequence[TimeBound]:
    """What the call asks for with its `Filter`s.

    Raises:
        ApiError: there is no filter of that key, or its value is no time.
    """
    bounds = []
    for place, asked in enumerate(given["Filter"], 1):
        if asked["Key"] not in _TIMES:
            raise bad(f"Filter.{place}.Key")
        try:
            bounds.append(TimeBound(*_TIMES[asked["Key"]], _parsed(asked["Value"], MINUTE_FORMAT)))
        except ValueError as error:
            raise bad(f"Filter.{place}.Value") from error
    return bounds


def in_time(document: Document, bounds: Iterable[TimeBound], time_format: str = MINUTE_FORMAT) -> bool:
    """Whether the document's times, written in that format, fit; one that it has not got fits nothing."""
    for field, first, minute in bounds:
        if not document[field]:
            return False
        time = _parsed(document[field], time_format).replace(second=0)
        if time < minute if first else time > minute:
            return False
    return True


def _parsed(text: str, time_format: str) -> datetime:
    return datetime.strptime(text, time_format).replace(tzinfo=UTC)


def tried(given: Arguments) -> None:
    """Refuse a call that was only to be tried, once all of it is found to be right.

    Raises:
        ApiError: it was.
    """
    if given["DryRun"]:
        raise ApiError("DryRunOperation")
