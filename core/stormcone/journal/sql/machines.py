"""Which machine is which in a journal: each has one key, by whatever it is ever known for."""

from stormcone.journal.sql import rows
from stormcone.journal.sql.session import Session
from stormcone.model import Machine
from stormcone.text import folded


class MachineKeys:
    """The machines of a journal.

    Args:
        session: the journal's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._keys: dict[Machine, str] = {}

    def of(self, machine: Machine) -> str:
        """The machine's key in the tables, by whatever it is known for; of one that is new, its id or its name.

        A journal that was copied to another machine, in an image say, has no work for it: where both have ids, these
        decide, and the same name says nothing.
        """
        if machine not in self._keys:
            self._keys[machine] = self.look_up(machine)
        return self._keys[machine]

    def look_up(self, machine: Machine) -> str:
        """As `of`, as the tables have it now."""
        ids, names = _known_for(machine)
        known = self._session.all(
            rows.known_machine,
            "SELECT machine, name, is_id FROM machines WHERE provider = ? ORDER BY id DESC",
            machine.provider,
        )
        for key, name, is_id in known:
            if is_id and name in ids:
                return key
        others = {key for key, _, is_id in known if is_id and ids}
        for key, name, is_id in known:
            if not is_id and name in names and key not in others:
                return key
        return folded(machine.id or machine.name)

    def get_to_know(self, machine: Machine) -> str:
        """The machine's key, with all that it is known for now noted under it; within a transaction."""
        key = self.look_up(machine)
        self._keys.clear()
        ids, names = _known_for(machine)
        for name, is_id in (*((name, 1) for name in ids), *((name, 0) for name in names)):
            self._session.execute(
                "INSERT INTO machines (provider, machine, name, is_id) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                machine.provider,
                key,
                name,
                is_id,
            )
        return key


def called(machine: Machine) -> str:
    """What a life says that its machine is called: never a name that the cloud disputes."""
    return machine.reported_name if machine.disputed else machine.name


def _known_for(machine: Machine) -> tuple[list[str], list[str]]:
    """The machine's ids and its names, as they are compared."""
    names = dict.fromkeys(folded(name) for name in (machine.name, *machine.aliases) if name)
    return [folded(machine.id)] if machine.id else [], list(names)
