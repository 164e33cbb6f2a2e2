"""A database of two nodes, as far as its maintenance is concerned: put a client of your own one in its place."""


class Lagging(Exception):
    """The standby has not caught up, so that a fail-over would lose data."""


class Database:
    """A primary that takes writes, and a standby that follows it.

    Attributes:
        primary: the node that takes writes.
        standby: the node that follows.
        lag: how many writes the standby is behind.
        synchronized: whether a write waits for the standby.
    """

    def __init__(self, primary: str, standby: str) -> None:
        self.primary = primary
        self.standby = standby
        self.lag = 0
        self.synchronized = True

    def fail_over(self) -> None:
        """Let the standby take the primary's place.

        Raises:
            Lagging: it has not caught up.
        """
        if self.lag:
            raise Lagging(f"{self.standby} is {self.lag} writes behind {self.primary}")
        self.primary, self.standby = self.standby, self.primary
        self.synchronized = False

    def catch_up(self) -> None:
        """Let the standby have all that it lacks, and be waited for again."""
        self.lag = 0
        self.synchronized = True
