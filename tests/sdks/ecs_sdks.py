"""Both of the vendor's SDKs in one shape: what each can send of an operation, and a call made of names and values."""

import importlib
import inspect
import json
import sys
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.http import protocol_type

REGION = "cn-hangzhou"


_remembered = cache  # the two SDKs stay for the whole run, and so may what is known of them


class Outcome(NamedTuple):
    """What a call came to: the answer's document, or code and message of the refusal."""

    document: Any = None
    code: str = ""
    message: str = ""


class OldSdk:
    """`aliyun-python-sdk-ecs`, which signs with HMAC-SHA1 in the query."""

    @_remembered
    def setters(self, operation: str) -> Mapping[str, str]:
        """The setters of a request, by what they send: a name, or for a list `Name.`."""
        found = {}
        for setter in (name for name in dir(self._request(operation)) if name.startswith("set_")):
            if setter.removeprefix("set_")[:1].isupper():
                found[self._sent_by(operation, setter)] = setter
        return found

    @_remembered
    def names(self, operation: str) -> set[str]:
        """What the SDK can send: names, with a 1 where a number is."""
        found = set()
        for name, setter in self.setters(operation).items():
            found |= self._written(operation, setter) if name.endswith(".") else {name}
        # The client adds its region to every call.
        return found | {"RegionId"}

    def call(self, url: str, operation: str, values: Mapping[str, str]) -> Outcome:
        """Make a call of names and values as they are written."""
        request = self._request(operation)
        request.set_endpoint(url.removeprefix("http://"))
        request.set_protocol_type(protocol_type.HTTP)
        setters = self.setters(operation)
        lists: dict[str, dict[int, Any]] = {}
        for name, value in values.items():
            base, _, rest = name.partition(".")
            if name in setters:
                getattr(request, setters[name])(value)
            elif f"{base}." in setters:
                place, _, field = rest.partition(".")
                entries = lists.setdefault(base, {})
                entries[int(place)] = {**entries.get(int(place), {}), field: value} if field else value
        for base, entries in lists.items():
            getattr(request, setters[f"{base}."])([entries[place] for place in sorted(entries)])
        client = AcsClient("testid", "testsecret", values.get("RegionId", REGION), auto_retry=False)
        try:
            return Outcome(json.loads(client.do_action_with_exception(request)))
        except ServerException as error:
            return Outcome(code=error.error_code, message=error.message)
        finally:
            if client.session is not None:
                client.session.close()

    @staticmethod
    def _request(operation: str) -> Any:
        module = importlib.import_module(f"aliyunsdkecs.request.v20140526.{operation}Request")
        return getattr(module, f"{operation}Request")()

    def _sent_by(self, operation: str, setter: str) -> str:
        written = self._written(operation, setter)
        (name,) = {name.partition(".1")[0] + "." if ".1" in name and "Filter" not in name else name for name in written}
        return name

    def _written(self, operation: str, setter: str) -> set[str]:
        source = inspect.getsource(getattr(type(self._request(operation)), setter))
        fields = {name for name in ("Key", "Value", "StartTime", "EndTime") if f"'.{name}'" in source}
        sample: Any = [dict.fromkeys(fields, "x")] if fields else ["x"] if "range(len(" in source else "x"
        request = self._request(operation)
        before = set(request.get_query_params())
        getattr(request, setter)(sample)
        return set(request.get_query_params()) - before


class NewSdk:
    """`alibabacloud_ecs20140526`, which signs with ACS3-HMAC-SHA256 in headers."""

    def __init__(self) -> None:
        self.models = importlib.import_module("alibabacloud_ecs20140526.models")
        self._client = importlib.import_module("alibabacloud_ecs20140526.client").Client
        self._utils = importlib.import_module("alibabacloud_tea_openapi.utils").Utils
        self._config = importlib.import_module("alibabacloud_tea_openapi.utils_models").Config
        self.error = importlib.import_module("darabonba.exceptions").DaraException

    @_remembered
    def names(self, operation: str) -> set[str]:
        """What the SDK can send: names, with a 1 where a number is."""
        request = filled(getattr(self.models, f"{operation}Request"))
        request.validate()
        return set(self._utils.query(request.to_map()))

    def call(self, url: str, operation: str, values: Mapping[str, str]) -> Outcome:
        """Make a call of names and values as they are written."""
        config = self._config(
            access_key_id="testid",
            access_key_secret="testsecret",
            region_id=REGION,
            endpoint=url.removeprefix("http://"),
            protocol="http",
        )
        request = getattr(self.models, f"{operation}Request")().from_map(nested(values))
        request.validate()
        words = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).strip("_")
        try:
            response = getattr(self._client(config), words)(request)
        except self.error as error:
            return Outcome(code=error.code, message=error.message)
        return Outcome(response.body.to_map())


def filled(model: Any) -> Any:
    """A value of a model's type with something in every place of it."""
    if typing.get_origin(model) is list:
        return [filled(typing.get_args(model)[0])]
    if not hasattr(model, "to_map"):
        return {str: "x", bool: True, int: 1, float: 1.0}[model]
    made = model()
    for name, kind in hints_of(model).items():
        setattr(made, name, filled(kind))
    return made


def hints_of(model: Any) -> Mapping[str, Any]:
    """The types of a model's attributes."""
    hints = typing.get_type_hints(model.__init__, vars(sys.modules[model.__module__]))
    return {name: kind for name, kind in hints.items() if name != "return"}


def names_of(model: Any) -> Mapping[str, str]:
    """What a model's attributes are called in a document."""
    names = {}
    for name, kind in hints_of(model).items():
        only = model()
        setattr(only, name, filled(kind))
        (names[name],) = (key for key, value in only.to_map().items() if value)
    return names


def misfits(kind: Any, value: Any, path: str = "") -> list[str]:
    """Where a document does not fit a model: names that it does not know, and values of other types."""
    if typing.get_origin(kind) is list:
        (inner,) = typing.get_args(kind)
        return [each for entry in value for each in misfits(inner, entry, path)] if isinstance(value, list) else [path]
    if not hasattr(kind, "to_map"):
        return [] if type(value) is kind else [path]
    known = {key: hints_of(kind)[name] for name, key in names_of(kind).items()}
    unknown = [f"{path}.{key}" for key in value if key not in known]
    return unknown + [
        each for key in value if key in known for each in misfits(known[key], value[key], f"{path}.{key}")
    ]


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names with dots as maps and lists: `Tag.1.Key` is the field of the first entry of `Tag`."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return {name: _listed(value) for name, value in tree.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inside = {name: _listed(each) for name, each in value.items()}
    if all(name.isdigit() for name in inside):
        return [inside[name] for name in sorted(inside, key=int)]
    return inside


SDKS: Mapping[str, Any] = {"old": OldSdk(), "new": NewSdk()}
