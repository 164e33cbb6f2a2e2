"""Which event of an agent's is a simulator's, where the cloud gives its events no ids.

A simulator has an id for each event all the same, since whoever drives it must name them; the agent's is one that the
provider made up of what it can see.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from stormcone.model import MaintenanceEvent, Origin
from stormcone.text import folded


def may_be(known: Mapping[str, Any], event: MaintenanceEvent, at: datetime) -> bool:
    """Whether what an agent knew of at that time can be the simulator's event.

    Args:
        known: the simulator's, as `Simulator.events` lists it.
        event: the agent's.
        at: when it knew of it, aware.
    """
    if folded(event.id) == folded(known["id"]):
        return True
    names = {folded(name) for name in event.resources} == {folded(name) for name in known["resources"]}
    kind = folded(event.native_type) == folded(known["native_type"])
    made_up = event.id_origin is Origin.INFERRED
    return made_up and names and kind and at >= datetime.fromisoformat(known["created_at"])
