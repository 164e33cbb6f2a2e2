"""What the agent relies on in every provider."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.clouds.contract import Hints, Provider, ProviderOptions, Simulates
from stormcone.errors import ProviderError, RequestRefused, SettingsError, SimulationError
from stormcone.model import Approval, Ending, Impact, MaintenanceEvent, Origin, Outcome, Phase, Scope
from stormcone.plugins import provider_class, simulator_class
from stormcone.simulators.contract import Simulator, SimulatorOptions
from stormcone.testing.conformance.clouds import Cloud, CloudSuite, PolledEndpoint
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

_ON_ONE_ENDPOINT: dict[str, dict[str, Any]] = {"not found": {"status": 404}, **FAULTS}

_PATIENCE = 30.0
"""Real seconds after which what is to happen at once has not happened."""

_A_MOMENT = 0.3
"""Real seconds after which nothing more is likely to come by itself; a test that errs on that passes all the same."""


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
            order = {"resources": subject.machines[:1], "notice": timedelta(hours=1), **subject.usual, **order}
            return simulator.schedule(subject.impact, **order)

        return announce

    @pytest.fixture
    def another(self, subject: Cloud, options: ProviderOptions) -> Iterator[Provider]:
        """A second provider on the first machine, as in another process, or after a restart."""
        made = provider_class(subject.name).from_options(options)
        yield made
        made.close()

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
        assert (observation.events, observation.problems) == ((), ())
        assert observation.whole

    def test_a_poll_does_not_wait_for_news(self, provider: Provider, simulator: Simulator) -> None:
        """A poll answers at once though nothing has changed: what waits for a change belongs into `Hints`.

        Source: `Provider.poll`; a poll that is under way holds up a stop, and every poll that is asked for.
        """
        provider.identify()
        provider.poll()
        with ThreadPoolExecutor(1) as beside:
            poll = beside.submit(provider.poll)
            try:
                assert poll.result(timeout=_PATIENCE).events == ()
            finally:
                simulator.close()

    def test_an_announced_event_is_seen(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """An event comes in neutral words, with the cloud's id, time and payload.

        Where the cloud gives no id it has one that says so; where it gives no time, the notice that it promises.

        Source: design, "The model".
        """
        machine, event_id = provider.identify(), announce()
        observation = provider.poll()
        (event,) = observation.events
        assert event.id_origin is Origin.INFERRED or folded(event.id) == folded(event_id)
        assert (event.provider, event.phase, event.impact) == (subject.name, Phase.SCHEDULED, subject.impact)
        assert machine.affected_by(event)
        assert event.native
        assert event.native_type == simulator.events()[0]["native_type"]
        assert event.listing in observation.whole | observation.pushed
        announced = datetime.fromisoformat(simulator.events()[0]["not_before"])
        promised = event.not_before is None and event.notice is not None
        if subject.waits:
            assert (event.not_before, event.notice) == (None, None)
        else:
            assert promised or event.tentative or event.not_before == announced.replace(microsecond=0)

    def test_events_at_the_same_time_are_told_apart(
        self, provider: Provider, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """Two events of one machine are two, under two ids, in whatever order they are read.

        Source: design, "The model".
        """
        provider.identify()
        announce()
        try:
            announce(**subject.second)
        except SimulationError as error:
            pytest.skip(f"a machine has one event at a time here: {error}")
        events = provider.poll().events
        assert len({event.key for event in events}) == len(events) == 2

    def test_another_provider_sees_the_same(
        self, provider: Provider, another: Provider, clock: ManualClock, announce: Callable[..., str]
    ) -> None:
        """Ids and times are of the event and not of who looks, or when: a restart must not make another event of it.

        Source: `MaintenanceEvent.id_origin`: an id that is made up is made of what stays as long as the event lasts.
        """
        provider.identify()
        announce()
        seen = self._only(provider)
        clock.advance(seconds=10)
        assert self._only(another).but(native={}) == seen.but(native={})

    def test_ids_are_stable(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """One event has one id from first sight to its end: a new one would be handled as another event.

        Where the cloud does not say when it begins, the event says so (`phase_origin`), and has a time or a notice,
        unless it waits for somebody.

        Source: Azure reference, "A test server that gives an event a new id at each state".
        """
        provider.identify()
        event_id = announce()
        before = self._only(provider)
        simulator.start(event_id)
        after = self._only(provider)
        assert (before.key, before.phase) == (after.key, Phase.SCHEDULED)
        if after.phase_origin is Origin.INFERRED:
            assert subject.waits or after.not_before is not None or after.notice is not None
        else:
            assert after.phase is Phase.STARTED

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
        self,
        provider: Provider,
        simulator: Simulator,
        subject: Cloud,
        announce: Callable[..., str],
        outcome: Outcome,
    ) -> None:
        """An end is told by absence, or by an outcome where the provider reports them; never as an event that goes on.

        Source: design, "The life of an event", and `Capabilities.reports_outcome`.
        """
        provider.identify()
        event_id = announce()
        event = self._only(provider)
        try:
            simulator.cancel(event_id) if outcome is Outcome.CANCELED else simulator.complete(event_id)
        except SimulationError as error:
            pytest.skip(f"this cloud does not end such an event so: {error}")
        observation = provider.poll()
        listed = observation.find(event.key)
        if listed is not None:
            assert (listed.phase, listed.outcome) == (Phase.ENDED, outcome)
            return
        assert observation.reads_whole(event.listing)
        if provider.capabilities.reports_outcome:
            said = {folded(name): how for name, how in provider.outcomes([event.id]).items()}
            how = said.pop(event.key.id) if subject.tells_ends else outcome
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
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str], fault: str
    ) -> None:
        """Whatever comes in place of an answer, a poll never says "nothing announced": that would end every event.

        It raises `ProviderError`, or says what it could not read and that the event's listing was not read whole.

        Source: design, "A provider": "unknown", never "nothing scheduled"; `Observation.whole`.
        """
        if fault in subject.nothing:
            pytest.skip("this is how this cloud says that there is nothing")
        provider.identify()
        announce()
        event = self._only(provider)
        simulator.faults.add(**FAULTS[fault])
        assert self._unknown(provider, event)
        simulator.faults.clear()
        assert self._only(provider)

    @pytest.mark.parametrize("fault", ["not found", "internal error", "too many requests", "reset", "a page"])
    def test_a_fault_of_one_endpoint_ends_nothing(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str], fault: str
    ) -> None:
        """Where one of several endpoints fails, what the others say is seen, and what it would say is unknown.

        A 404 may say that nothing is announced there, where the cloud has it so.

        Source: `Observation.whole`: of a listing that could not be asked, absence proves nothing.
        """
        provider.identify()
        announce()
        event = self._only(provider)
        for endpoint in subject.endpoints or (PolledEndpoint({}),):
            simulator.faults.add(**_ON_ONE_ENDPOINT[fault], **endpoint.only)
            absent = fault == "not found" and endpoint.may_be_absent
            assert absent or self._unknown(provider, event, or_there=True), endpoint
            simulator.faults.clear()
            assert self._only(provider).key == event.key

    def test_it_works_where_a_token_is_demanded(self, subject: Cloud, clock: ManualClock) -> None:
        """A cloud whose metadata service refuses whoever has no token is asked with one.

        Source: design, "A provider".
        """
        if not subject.demanding:
            pytest.skip("this cloud's simulator demands no tokens")
        options = SimulatorOptions(machines=subject.machines, clock=clock, settings=subject.demanding)
        with simulator_class(subject.name).from_options(options) as demanding:
            provider = provider_class(subject.name).from_options(
                replace(demanding.provider_options(), clock=ObligingClock(clock))
            )
            with closing(provider):
                assert provider.identify().owns(subject.machines[0])
                assert provider.poll().events == ()

    # news

    def test_news_is_hinted_until_it_is_closed(
        self, provider: Provider, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """A provider that hears by itself of news calls back, and has ended all that it began once it is closed.

        Source: `Hints.on_hint`, `Provider.close`.
        """
        if not subject.hints:
            pytest.skip("this provider hears of nothing by itself")
        assert isinstance(provider, Hints)
        before = set(threading.enumerate())
        hinted = threading.Event()
        provider.on_hint(hinted.set)
        listeners = set(threading.enumerate()) - before
        assert listeners
        while hinted.wait(_A_MOMENT):  # it may begin with what it finds
            hinted.clear()
        announce()
        assert hinted.wait(_PATIENCE)
        provider.close()
        # What was cut off while it waited for a change does not count as an answer.
        assert not [thread for thread in listeners if thread.is_alive() and not _ends(thread)]

    def test_a_hint_survives_a_fault(
        self, provider: Provider, simulator: Simulator, subject: Cloud, announce: Callable[..., str]
    ) -> None:
        """Who waits for a change and is cut off waits again: a notice may be shorter than the interval of polls.

        Source: `Hints.on_hint`.
        """
        if not subject.hints:
            pytest.skip("this provider hears of nothing by itself")
        assert isinstance(provider, Hints)
        simulator.faults.add(kind="reset", times=1)
        hinted = threading.Event()
        provider.on_hint(hinted.set)
        while hinted.wait(2 * _A_MOMENT):
            hinted.clear()
        announce()
        assert hinted.wait(_PATIENCE)

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

    def _unknown(self, provider: Provider, event: MaintenanceEvent, *, or_there: bool = False) -> bool:
        """Whether a poll says that it is not known what has become of the event; or, if that will do, lists it."""
        try:
            observation = provider.poll()
        except ProviderError as error:
            return len(str(error).splitlines()) == 1
        if observation.find(event.key) is not None:
            return or_there
        said = observation.problems
        return bool(said) and not observation.reads_whole(event.listing) and all(len(x.splitlines()) == 1 for x in said)

    def _only(self, provider: Provider) -> MaintenanceEvent:
        (event,) = provider.poll().events
        return event


def _ends(thread: threading.Thread) -> bool:
    thread.join(_PATIENCE)
    return not thread.is_alive()
