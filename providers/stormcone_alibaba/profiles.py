"""The profiles of Alibaba Cloud CLI: which there is, what kind it is, and the credentials that it leads to.

Nothing of a file's content goes into an error but names, modes and the names of fields.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from stormcone_alibaba.assumed import LONGEST, SESSION_NAME, SHORTEST, Lender, Role
from stormcone_alibaba.identity import Credentials, CredentialsUnusable

PROFILE_FILE = Path("~/.aliyun/config.json")
"""Where the command line keeps its profiles. Source: documentation of Alibaba Cloud CLI."""

IGNORE = "ALIBABA_CLOUD_IGNORE_PROFILE"
"""Exactly TRUE leaves profiles out. Source: the command line's documentation of environment variables."""

_LEAVE_OUT = f"mend it with aliyun configure, name another, or leave profiles out with {IGNORE}=TRUE"

Fields = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a profile gets what does not stand in it.

    Attributes:
        lender: temporary credentials of STS or a URI.
        role: the credentials of a RAM role of this instance ("": the one that it has), for a source.
        sts: STS's address for a profile's region, and whether by the private network; None: as the environment says.
    """

    lender: Lender
    role: Callable[[str, str], Credentials]
    sts: Callable[[str, bool | None], str]


class ProfileKind(NamedTuple):
    """One kind of profile.

    Attributes:
        needs: the fields that must hold something.
        gives: where the credentials come from, for people.
        open: makes the credentials of a profile.
    """

    needs: tuple[str, ...]
    gives: str
    open: Callable[["Profiles", "Profile"], Credentials]


@dataclass(frozen=True)
class Profile:
    """A profile, with all that its kind needs.

    Attributes:
        name: as it is called in the file.
        mode: its kind.
        fields: its content.
        source: what its credentials are said to come from.
        within: the profiles that stand on it, the outermost first.
    """

    name: str
    mode: str
    fields: Fields
    source: str
    within: tuple[str, ...]

    def text(self, field: str) -> str:
        """A field's text, "" where it holds none."""
        return _text(self.fields.get(field))


class Profiles:
    """The profiles of a file.

    Args:
        path: the file.
        ways: how profiles get what does not stand in them.

    Raises:
        FileNotFoundError: there is no such file; `NotADirectoryError` where there is not even its folder.
        RuntimeError: the file is in a home that there is not.
        CredentialsUnusable: it cannot be read as one of profiles.
    """

    def __init__(self, path: Path, ways: Ways) -> None:
        self._path = path
        self.ways = ways
        try:
            document = json.loads(path.expanduser().read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise
        except OSError as error:
            raise self._unusable(f"it cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError):
            raise self._unusable("it is not JSON") from None
        self._document = document if isinstance(document, dict) else {}

    def credentials(self, name: str = "", within: tuple[str, ...] = ()) -> Credentials:
        """The credentials of the profile of that name, "" for the current one.

        Raises:
            CredentialsUnusable: there is no such profile, it is broken, or of a kind that is not understood.
            ProviderError: whoever it leads to cannot be asked.
        """
        name = name or _text(self._document.get("current")) or "default"
        fields = self._fields(name)
        kind = _text(fields.get("mode")) or "AK"
        mode = MODES.get(kind)
        if mode is None:
            known = ", ".join(MODES)
            raise self._unusable(f"the profile {name!r} is of mode {kind}, and only {known} are understood")
        if name in within:
            raise self._unusable(f"the profile {name!r} refers to itself by source_profile")
        source = f"profile {name!r} in {self._path}" + ("" if kind in _STATIC else f" ({kind})")
        profile = Profile(name, kind, fields, source, (*within, name))
        lacking = [field for field in mode.needs if not profile.text(field)]
        if lacking:
            raise self._unusable(f"the profile {name!r} of mode {kind} is not complete: it has no {', '.join(lacking)}")
        return mode.open(self, profile)

    def role(self, profile: Profile) -> Role:
        """The role that a profile says to assume."""
        seconds = profile.fields.get("expired_seconds") or 3600
        if not isinstance(seconds, int) or not SHORTEST <= seconds <= LONGEST:
            why = f"expired_seconds is a number from {SHORTEST} to {LONGEST}"
            raise self._unusable(f"the profile {profile.name!r} is broken: {why}")
        vpc = profile.fields.get("enable_vpc")
        return Role(
            arn=profile.text("ram_role_arn"),
            session=profile.text("ram_session_name") or profile.text("role_session_name") or SESSION_NAME,
            seconds=seconds,
            policy=_compact(profile.text("policy")),
            external_id=profile.text("external_id"),
            sts=self.ways.sts(profile.text("sts_region"), vpc if isinstance(vpc, bool) else None),
        )

    def _fields(self, name: str) -> Fields:
        profiles = self._document.get("profiles")
        for profile in profiles if isinstance(profiles, list) else ():
            if isinstance(profile, dict) and profile.get("name") == name:
                return profile
        raise self._unusable(f"it has no profile {name!r}")

    def _unusable(self, why: str) -> CredentialsUnusable:
        return CredentialsUnusable(f"the credentials of {self._path} cannot be used: {why}; {_LEAVE_OUT}")


def _own(_profiles: Profiles, profile: Profile) -> Credentials:
    return Credentials(
        access_key_id=profile.text("access_key_id"),
        access_key_secret=profile.text("access_key_secret"),
        security_token=profile.text("sts_token") if profile.mode == "StsToken" else "",
        source=profile.source,
    )


def _of_instance(profiles: Profiles, profile: Profile) -> Credentials:
    return profiles.ways.role(profile.text("ram_role_name"), profile.source)


def _assumed(profiles: Profiles, profile: Profile) -> Credentials:
    return profiles.ways.lender.by_key(profiles.role(profile), _own(profiles, profile), profile.source)


def _chained(profiles: Profiles, profile: Profile) -> Credentials:
    base = profiles.credentials(profile.text("source_profile"), profile.within)
    return profiles.ways.lender.by_key(profiles.role(profile), base, profile.source)


def _with_token(profiles: Profiles, profile: Profile) -> Credentials:
    provider, token_file = profile.text("oidc_provider_arn"), Path(profile.text("oidc_token_file"))
    return profiles.ways.lender.by_token(profiles.role(profile), provider, token_file, profile.source)


def _from_uri(profiles: Profiles, profile: Profile) -> Credentials:
    return profiles.ways.lender.by_uri(profile.text("credentials_uri"), profile.source)


_KEY = ("access_key_id", "access_key_secret")
_STATIC = frozenset({"AK", "StsToken"})

MODES: Mapping[str, ProfileKind] = MappingProxyType(
    {
        "AK": ProfileKind(_KEY, "the profile itself", _own),
        "StsToken": ProfileKind((*_KEY, "sts_token"), "the profile itself, as long as they last", _own),
        "EcsRamRole": ProfileKind((), "the RAM role of this instance, by its metadata service", _of_instance),
        "RamRoleArn": ProfileKind((*_KEY, "ram_role_arn"), "STS, for the profile's key", _assumed),
        "ChainableRamRoleArn": ProfileKind(
            ("ram_role_arn", "source_profile"), "STS, for those of another profile", _chained
        ),
        "OIDC": ProfileKind(
            ("ram_role_arn", "oidc_provider_arn", "oidc_token_file"), "STS, for a pod's token", _with_token
        ),
        "CredentialsURI": ProfileKind(("credentials_uri",), "whoever answers at the URI", _from_uri),
    }
)
"""The kinds of profiles that are understood. Source: documentation and the profiles of Alibaba Cloud CLI; what it has
besides (a key pair, a login in a browser, a program that is run) is refused."""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _compact(policy: str) -> str:
    """JSON without spaces, which the library would sign otherwise than the service does."""
    try:
        return json.dumps(json.loads(policy), separators=(",", ":")) if policy else ""
    except ValueError:
        return policy
