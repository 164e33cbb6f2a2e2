"""Which episode of an agent's is a simulator's event, where the cloud gives its events no ids.

A simulator has an id for each event all the same, since tests must name them; the agent's is one that it made up.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from stormcone.journal import Episode
from stormcone.model import Origin
from stormcone.simulators.contract import Simulator
from stormcone.text import folded


def without_id(simulator: Simulator, event: str, episodes: Sequence[Episode]) -> list[Episode]:
    """The episodes that can be the simulator's event of that id: the first of its kind while it was announced."""
    events = simulator.events()
    known = next((each for each in events if folded(each["id"]) == folded(event)), None)
    return [episode for episode in episodes if _is(episode, known)][:1] if known is not None else []


def _is(episode: Episode, known: dict[str, Any]) -> bool:
    event, ended = episode.event, known["ended_at"]
    if event.id_origin is not Origin.INFERRED or folded(event.native_type) != folded(known["native_type"]):
        return False
    if {folded(name) for name in event.resources} != {folded(name) for name in known["resources"]}:
        return False
    seen = episode.first_seen
    return datetime.fromisoformat(known["created_at"]) <= seen and (
        ended is None or seen <= datetime.fromisoformat(ended)
    )
