"""What the agent relies on in every provider."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.contract import Provider, ProviderOptions, Simulates
from stormcone.errors import ProviderError, RequestRefused, SettingsError, SimulationError
from stormcone.model import Approval, Ending, Impact, MaintenanceEvent, Outcome, Phase, Scope
from stormcone.plugins import provider_class
from stormcone.simulators.contract import Simulator
from stormcone.testing.conformance.clouds import Cloud, CloudSuite
from stormcone.testing.threads import ObligingClock
from stormcone.text import folded

FAULTS: dict[str, dict[str, Any]] = {
    "internal error": {"status": 500},
    "unavailable": {"status": 503},
    "too many requests": {"status": 429},
    "reset": {"kind": "reset"},
    "hung up": {"kind": "close"},
    "half a body": {"kind": "half_body"},
    "not HTTP": {"kind": "junk"},
    "empty": {"kind": "empty"},
    "not UTF-8": {"kind": "invalid_utf8"},
    "a page": {"body": "<html>please log in</html>", "content_type": "text/html"},
    "null": {"body": "null"},
    "another document": {"body": '{"hello": "world"}'},
}
"""What may come in place of an answer, by name, as rules of `Faults.add`."""


class ProviderSuite(CloudSuite):
    """Every provider, against its cloud's simulator."""

    @pytest.fixture
    def options(self, simulator: Simulator, clock: ManualClock) -> ProviderOptions:
        """How the provider reaches the simulator; whatever pauses moves the clock on."""
        return replace(simulator.provider_options(), clock=ObligingClock(clock))

    @pytest.fixture
    def provider(self, subject: Cloud, options: ProviderOptions) -> Iterator[Provider]:
        """A provider on the first machine."""
        made = provider_class(subject.name).from_options(options)
        yield made
        made.close()

    @pytest.fixture
    def announce(self, simulator: Simulator, subject: Cloud) -> Callable[..., str]:
        """Announces an event of the first machine, in an hour."""

        def announce(**order: Any) -> str:
            order = {"resources": subject.machines[:1], "notice": timedelta(hours=1), **order}
            return simulator.schedule(subject.impact, **order)

        return announce

    # what it is

    def test_it_is_found_by_its_name(self, provider: Provider, subject: Cloud) -> None:
        """A provider is a plug-in with the face of `Provider`, called as the events that it reports.

        Source: design, "A provider".
        """
        assert isinstance(provider, Provider)
        assert provider.name == subject.name

    def test_its_capabilities_are_true(self, provider: Provider) -> None:
        """Capabilities are data that the agent relies on without asking.

        Source: design, "A provider".
        """
        assert provider.capabilities.poll_interval > 0
        assert provider.capabilities.scope in Scope
        if provider.capabilities.can_simulate:
            assert isinstance(provider, Simulates)

    def test_making_one_asks_nobody(self, provider: Provider, simulator: Simulator) -> None:
        """`from_options` does no I/O, so that `stormcone providers` and `--help` stay quick.

        Source: `Provider.from_options`, "no network".
        """
        assert provider is not None
        assert simulator.requests() == []

    def test_an_unknown_setting_is_refused(self, subject: Cloud, options: ProviderOptions) -> None:
        """A misspelt `--set` is an error that names it, not silence.

        Source: `Provider.from_options`, SettingsError.
        """
        with pytest.raises(SettingsError, match="no-such-setting"):
            provider_class(subject.name).from_options(replace(options, settings={"no-such-setting": "1"}))

    def test_it_may_be_closed_twice_and_asks_no_more(self, provider: Provider) -> None:
        """`close` is safe to call twice; a poll after it ends at once, with "unknown".

        Source: `Provider.close`.
        """
        provider.close()
        provider.close()
        with pytest.raises(ProviderError):
            provider.poll()

    # which machine

    def test_it_knows_which_machine_it_runs_on(self, provider: Provider, subject: Cloud) -> None:
        """`identify` names the machine as events do, with the provider's own name and the cloud's id.

        Source: design, "The model": a machine is affected where one of its names equals one of `resources`.
        """
        machine = provider.identify()
        assert machine.provider == subject.name
        assert machine.owns(subject.machines[0])
        assert machine.id or machine.name
        assert provider.identify() == machine

    def test_it_says_that_it_cannot_identify(self, provider: Provider, simulator: Simulator) -> None:
        """Where the cloud does not answer, `identify` raises `ProviderError`; it never makes a machine up.

        Source: `Provider.identify`.
        """
        simulator.close()
        with pytest.raises(ProviderError):
            provider.identify()

    # what is announced

    def test_nothing_announced_is_an_empty_observation(self, provider: Provider) -> None:
        """A cloud that says that nothing is scheduled is believed.

        Source: design, "A provider".
        """
        provider.identify()
        observation = provider.poll()
        assert (observation.events, observation.reads_whole(), observation.problems) == ((), True, ())

    def test_an_announced_event_is_seen(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """An event comes in neutral words, with the cloud's id, time and payload.

        Source: design, "The model".
        """
        machine, event_id = provider.identify(), announce()
        event = self._only(provider)
        assert folded(event.id) == folded(event_id)
        assert (event.provider, event.phase, event.impact) == (subject.name, Phase.SCHEDULED, subject.impact)
        assert machine.affected_by(event)
        assert event.native
        assert event.native_type == simulator.events()[0]["native_type"]
        announced = datetime.fromisoformat(simulator.events()[0]["not_before"])
        assert event.not_before == announced.replace(microsecond=0)

    def test_ids_are_stable(self, provider: Provider, simulator: Simulator, announce: Callable[..., str]) -> None:
        """One event has one id from first sight to its end: a new one would be handled as another event.

        Source: Azure reference, "A test server that gives an event a new id at each state".
        """
        provider.identify()
        event_id = announce()
        before = self._only(provider)
        simulator.start(event_id)
        after = self._only(provider)
        assert (before.key, before.phase, after.phase) == (after.key, Phase.SCHEDULED, Phase.STARTED)

    def test_a_moved_event_is_seen_with_its_new_time(
        self, provider: Provider, simulator: Simulator, announce: Callable[..., str]
    ) -> None:
        """A time that the cloud moves is a revision of the same event.

        Source: Azure reference, "What the field's other handlers got wrong", 8.
        """
        provider.identify()
        event_id = announce()
        before = self._only(provider)
        try:
            simulator.change(event_id, notice=timedelta(hours=3))
        except SimulationError as error:
            pytest.skip(f"this cloud does not move events: {error}")
        after = self._only(provider)
        assert (after.key, after.phase) == (before.key, Phase.SCHEDULED)
        assert before.not_before is not None
        assert after.not_before == before.not_before + timedelta(hours=2)

    @pytest.mark.parametrize("outcome", [Outcome.COMPLETED, Outcome.CANCELED])
    def test_an_event_that_is_over_is_not_going_on(
        self, provider: Provider, simulator: Simulator, announce: Callable[..., str], outcome: Outcome
    ) -> None:
        """An end is told by absence, or by an outcome where the provider reports them; never as an event that goes on.

        Source: design, "The life of an event", and `Capabilities.reports_outcome`.
        """
        provider.identify()
        event_id = announce()
        key = self._only(provider).key
        if outcome is Outcome.CANCELED:
            simulator.cancel(event_id)
        else:
            simulator.complete(event_id)
        listed = provider.poll().find(key)
        if listed is not None:
            assert (listed.phase, listed.outcome) == (Phase.ENDED, outcome)
        elif provider.capabilities.reports_outcome:
            said = {folded(name): how for name, how in provider.outcomes([event_id]).items()}
            how = said.pop(key.id)
            assert (how.outcome if isinstance(how, Ending) else how, said) == (outcome, {})

    def test_of_an_event_that_nobody_knows_no_outcome_is_made_up(self, provider: Provider) -> None:
        """`outcomes` leaves out what the cloud does not know; the agent then infers.

        Source: `Provider.outcomes`.
        """
        provider.identify()
        if not provider.capabilities.reports_outcome:
            pytest.skip("this cloud reports no outcomes")
        assert dict(provider.outcomes(["e-0000nosuchevent0000"])) == {}

    def test_an_unknown_type_hides_no_event(self, provider: Provider, simulator: Simulator, subject: Cloud) -> None:
        """A word that the provider does not know becomes UNKNOWN and keeps the payload; it is never dropped.

        Source: design, "The model".
        """
        if subject.unknown is None:
            pytest.skip("this cloud cannot be made to list an event of an unknown type")
        provider.identify()
        simulator.faults.add(**subject.unknown)
        event = self._only(provider)
        assert (event.impact, event.native_type) == (Impact.UNKNOWN, "Evacuate")
        assert "Evacuate" in repr(event.native)

    # what goes wrong

    @pytest.mark.parametrize("fault", FAULTS)
    def test_a_spoilt_answer_is_unknown_and_never_nothing(
        self, provider: Provider, simulator: Simulator, announce: Callable[..., str], fault: str
    ) -> None:
        """Whatever comes in place of an answer, a poll never says "nothing announced": that would end every event.

        It raises `ProviderError`, or says what it could not read and that its list is not `complete`.

        Source: design, "A provider": "unknown", never "nothing scheduled"; `Observation.whole`.
        """
        provider.identify()
        announce()
        assert self._only(provider)
        simulator.faults.add(**FAULTS[fault])
        self._expect_unknown(provider)
        simulator.faults.clear()
        assert self._only(provider)

    def test_a_cloud_that_is_not_there_is_unknown_and_never_nothing(
        self, provider: Provider, simulator: Simulator
    ) -> None:
        """No connection is no answer.

        Source: design, "A provider".
        """
        provider.identify()
        simulator.close()
        with pytest.raises(ProviderError):
            provider.poll()

    # approving

    def test_what_cannot_be_approved_is_refused(self, provider: Provider) -> None:
        """Approving an event that the cloud does not know is `RequestRefused`: trying again does not help.

        Source: `Provider.approve`.
        """
        provider.identify()
        event = MaintenanceEvent(
            id="00000000-0000-0000-0000-000000000000", provider=provider.name, phase=Phase.SCHEDULED
        )
        with pytest.raises(RequestRefused):
            provider.approve(event)

    def test_an_approved_event_may_begin(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """An approval reaches the cloud in this machine's name; repeating it does no harm, though it may be refused.

        Source: `Provider.approve`; runs and approvals are at-least-once.
        """
        event = self._approvable(provider, subject, announce)
        provider.approve(event)
        with suppress(RequestRefused):
            provider.approve(event)
        (known,) = simulator.events()
        assert known["approved_by"] == [subject.machines[0]]

    @pytest.mark.parametrize("fault", ["unavailable", "reset", "hung up"])
    def test_an_approval_without_an_answer_may_be_repeated(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str], fault: str
    ) -> None:
        """Where it is not known whether an approval arrived, it is `ProviderError` and not `RequestRefused`.

        Source: `Provider.approve`.
        """
        event = self._approvable(provider, subject, announce)
        simulator.faults.add(**FAULTS[fault])
        with pytest.raises(ProviderError) as caught:
            provider.approve(event)
        assert not isinstance(caught.value, RequestRefused)

    def _approvable(self, provider: Provider, subject: Cloud, announce: Callable[..., str]) -> MaintenanceEvent:
        provider.identify()
        announce(**subject.approvable)
        event = self._only(provider)
        if not provider.capabilities.can_approve or event.approval is Approval.NONE:
            pytest.skip(f"{provider.name} takes no approval of such an event")
        return event

    def _expect_unknown(self, provider: Provider) -> None:
        try:
            observation = provider.poll()
        except ProviderError as error:
            said = [str(error)]
        else:
            assert not observation.reads_whole()
            said = list(observation.problems)
        assert said
        assert all(len(sentence.splitlines()) == 1 for sentence in said)

    def _only(self, provider: Provider) -> MaintenanceEvent:
        (event,) = provider.poll().events
        return event
