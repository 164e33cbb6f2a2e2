"""Which machine the agent works for: as the cloud says, as it was named, or as the journal remembers it.

The cloud is asked beside the polls, never before them: its instance endpoint may fail for longer than a notice lasts.
"""

from dataclasses import replace

from stormcone.agent.pace import Pace
from stormcone.clock import Clock
from stormcone.clouds.contract import Provider, named
from stormcone.errors import JournalError, ProviderError
from stormcone.journal import JournalStore
from stormcone.model import Machine, Scope
from stormcone.text import one_line


class Identification:
    """What is known of the machine, and when the cloud is next asked about it.

    Args:
        provider: who is asked.
        clock: for the pauses.
        pace: how long they are.
        machine: as the cloud has said already; None asks it, again and again until it answers.
        assumed: who it is until then; None where that is not known.

    Attributes:
        machine: as far as it is known; None: not at all.
        confirmed: whether the cloud has said so. Until then nothing is approved.
        error: why it has not, as last asked; "" where it was not asked yet.
    """

    def __init__(
        self, provider: Provider, clock: Clock, pace: Pace, machine: Machine | None, assumed: Machine | None
    ) -> None:
        self.machine = machine or assumed
        self.confirmed = machine is not None
        self.error = ""
        self._provider = provider
        self._clock = clock
        self._pace = pace
        self._due = clock.monotonic()
        self._asking = False

    def begin(self) -> bool:
        """Whether the cloud is to be asked now; if so, that has begun, and `settle` takes the answer."""
        if self.confirmed or self._asking or self._clock.monotonic() < self._due:
            return False
        self._asking = True
        return True

    def ask(self) -> Machine | ProviderError:
        """Ask the cloud once, from any thread. Never raises."""
        try:
            return self._provider.identify()
        except ProviderError as error:
            return error
        except Exception as error:  # noqa: BLE001 - a provider's fault must end nothing
            return ProviderError(f"the provider {self._provider.name} failed: {one_line(error)}")

    def settle(self, answer: Machine | ProviderError) -> None:
        """Take the answer in: from now on the machine is known, or the cloud is asked again after a pause."""
        self._asking = False
        if isinstance(answer, ProviderError):
            self.error = str(answer)
            self._due = self._clock.monotonic() + self._pace.after(answer)
        else:
            self.machine, self.confirmed = answer, True


def assumed(provider: Provider, journal: JournalStore, boot_id: str) -> Machine | None:
    """Which machine this is most likely, before the cloud says so: as it was named, or as in the last life.

    The journal is believed within the boot in which it was written: afterwards it may have come here in an image.
    """
    told = named(provider)
    if told is not None or provider.capabilities.scope is Scope.REGION:
        return told
    try:
        last = next(iter(journal.lives()[-1:]), None)
    except JournalError:  # whoever writes to it says so
        return None
    if last is None or last.provider != provider.name or not boot_id or last.boot_id != boot_id:
        return None
    return Machine(provider=last.provider, id="", name=last.machine)


def of_this_boot(machine: Machine, boot_id: str) -> Machine:
    """The machine with its boot id, where the cloud does not say another; of a region, our own boots say nothing."""
    if machine.scope is not Scope.MACHINE:
        return machine
    return replace(machine, boot_id=machine.boot_id or boot_id)
