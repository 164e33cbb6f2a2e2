"""Who watches what, where several watchers share many regions, and which events are whose, where they share one region.

Pure functions over values. A shard is a region, or a part of one. `plan` says which living watcher is to have each
shard: evenly, and with as few moves as that takes. `Part` says which events of a region belong to one of its parts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from stormcone.model import MaintenanceEvent
from stormcone.text import folded


def _number(text: str) -> int:
    """A number that is the same everywhere and always, unlike `hash`."""
    return int.from_bytes(sha256(text.encode(errors="surrogatepass")).digest()[:8])


@dataclass(frozen=True)
class Part:
    """A part of a region: which of how many.

    Attributes:
        number: from 1.
        of: how many parts the region has.
    """

    number: int = 1
    of: int = 1

    def has(self, event: MaintenanceEvent) -> bool:
        """Whether the event belongs to this part: each event belongs to exactly one.

        A machine's name decides; of several machines it is the first in alphabetical order, and of none the event's id.
        """
        if self.of == 1:
            return True
        name = min(map(folded, event.resources), default=folded(event.id))
        return _number(name) % self.of == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}of{self.of}"


WHOLE = Part()
"""A region that has no parts."""


@dataclass(frozen=True)
class Held:
    """A shard, as the plan so far has it.

    Attributes:
        name: the shard's.
        watcher: who is to have it, by the plan so far; "" for nobody.
        busy: whether handlers work there now: such a shard is moved only where no other will do.
    """

    name: str
    watcher: str = ""
    busy: bool = False


def plan(shards: Sequence[Held], watchers: Mapping[str, Collection[str]]) -> dict[str, str]:
    """Which watcher is to have each shard; a shard that no living watcher knows is left out.

    Where all know all shards, nobody has two more than another. Where a watcher comes or goes, no shard moves between
    two others. Whoever calls this with the same values gets the same plan, and the plan of a plan is that plan.

    Args:
        shards: all that there are.
        watchers: those that live, and the shards that each of them knows.
    """
    wanted = {shard.name: shard.watcher for shard in shards if shard.name in watchers.get(shard.watcher, ())}
    loads = dict.fromkeys(watchers, 0)
    for watcher in wanted.values():
        loads[watcher] += 1
    able = {shard.name: [each for each in watchers if shard.name in watchers[each]] for shard in shards}
    for name in sorted(able.keys() - wanted.keys(), key=lambda name: (len(able[name]), name)):
        if able[name]:
            taker = min(able[name], key=lambda each: (loads[each], _distance(name, each)))
            wanted[name] = taker
            loads[taker] += 1
    busy = {shard.name for shard in shards if shard.busy}
    while move := _move(wanted, loads, watchers, busy):
        name, taker = move
        loads[wanted[name]] -= 1
        loads[taker] += 1
        wanted[name] = taker
    return wanted


def _move(
    wanted: Mapping[str, str],
    loads: Mapping[str, int],
    watchers: Mapping[str, Collection[str]],
    busy: Collection[str],
) -> tuple[str, str] | None:
    """The next move from who has most to who has least: which shard, and to whom; None where it is even."""
    for giver in sorted(loads, key=lambda each: (-loads[each], each)):
        for taker in sorted(loads, key=lambda each: (loads[each], each)):
            if loads[giver] - loads[taker] < 2:
                break
            fit = [name for name, holder in wanted.items() if holder == giver and name in watchers[taker]]
            if fit:
                return min(fit, key=lambda name: (name in busy, _distance(name, taker), name)), taker
    return None


def _distance(shard: str, watcher: str) -> int:
    """How near a shard is to a watcher: a fixed order in which each watcher prefers the shards."""
    return _number(f"{shard}\0{watcher}")
