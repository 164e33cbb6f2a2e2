"""A machine's membership in a fleet: which groups it is in, and how it makes itself known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from stormcone.fleet.contract import SILENCE, Fleet, MemberIdentity
from stormcone.model import Machine
from stormcone.rules.limits import Limit
from stormcone.text import folded


@dataclass(frozen=True, kw_only=True)
class GroupRule:
    """A group, as one machine's configuration knows it.

    Attributes:
        name: its name.
        max_unavailable: how many may be away at once: a number, or a share such as `25%`.
        machines: patterns of names, such as `db-*`; a machine that goes by one of these is in the group.
        ours: whether our machine is in it whatever it is called.

    Raises:
        ValueError: the limit is none.
    """

    name: str
    max_unavailable: str
    machines: tuple[str, ...] = ()
    ours: bool = False

    def __post_init__(self) -> None:
        Limit.of(self.max_unavailable)

    def has(self, machine: Machine) -> bool:
        """Whether the machine is in it."""
        names = [folded(name) for name in (machine.name, machine.id, *machine.aliases) if name]
        return self.ours or any(fnmatchcase(name, folded(pattern)) for name in names for pattern in self.machines)


@dataclass(frozen=True, kw_only=True)
class Membership:
    """How an agent takes part in a fleet.

    Attributes:
        fleet: the fleet's store.
        groups: the groups that its machine may be in.
        silence: after so long without a word others take it for silent; it exchanges three times as often.
        secrets: variables of the environment that may hold what opens the store; commands do not get them.
    """

    fleet: Fleet
    groups: tuple[GroupRule, ...] = ()
    silence: timedelta = SILENCE
    secrets: tuple[str, ...] = ()

    def identity(self, machine: Machine, about: Mapping[str, str]) -> MemberIdentity:
        """Who the machine is in the fleet."""
        return MemberIdentity(
            id=f"{machine.provider}/{folded(machine.id or machine.name)}",
            name=machine.name,
            names=tuple(name for name in (machine.name, machine.id, *machine.aliases) if name),
            groups={group.name: group.max_unavailable for group in self.groups if group.has(machine)},
            silence=self.silence,
            about=dict(about),
        )
