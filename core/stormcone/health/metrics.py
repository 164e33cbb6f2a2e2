"""What an agent counts and measures, for Prometheus.

Names and units follow Prometheus's rules (a prefix, base units in the name, `_total` for counters) and, where it has a
name for something, OpenTelemetry's, with underscores: `cloud_provider`, `host_id`. No label has a value that somebody
outside chooses: handlers, sources and rules are the app's, the agent's and ours.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from stormcone import __version__
from stormcone.agent.notices import Notice, NoticeKind
from stormcone.agent.view import AgentView
from stormcone.clock import Clock, Instant
from stormcone.handlers import App, Stage
from stormcone.health.disk import journal_size
from stormcone.model import MaintenanceEvent, Phase
from stormcone.rules.runs import Verdict

if TYPE_CHECKING:
    from stormcone.health.readiness import Readiness

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_HOUR, _DAY = 3600.0, 86400.0

NOTICE_BUCKETS = (0.0, 15, 30, 60, 120, 300, 600, 900, 1800, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 30 * _DAY)
"""Seconds of notice: half a minute for a preemption, fifteen for a reboot on Azure, weeks for what is planned."""

DELAY_BUCKETS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)
"""Seconds from seeing to acting."""

DURATION_BUCKETS = (0.1, 0.5, 1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, _HOUR)
"""Seconds that handlers take."""

_ENDED = {NoticeKind.RUN_ENDED, NoticeKind.RUN_FAILED, NoticeKind.RUN_CUT_OFF}
_APPROVALS = {NoticeKind.APPROVED: "accepted", NoticeKind.APPROVAL_FAILED: "failed", NoticeKind.POSTPONED: "postponed"}


class Metrics:
    """Counts what an agent tells, and shows how it stands at each scrape.

    Args:
        clock: the agent's.
        view: how the agent stands; None where there is none now.
        readiness: what is concluded from that.
    """

    def __init__(
        self,
        clock: Clock,
        view: Callable[[], AgentView | None],
        readiness: "Callable[[AgentView], Readiness]",
    ) -> None:
        self._registry = CollectorRegistry()
        self._seen = self._counter("events_seen", "Events that were announced or seen to begin.", "impact", "cause")
        self._ended = self._counter("events_ended", "Events that have ended.", "impact", "outcome")
        self._notice = self._histogram(
            "event_notice_seconds", "From an event's announcement to its time.", NOTICE_BUCKETS, "impact"
        )
        self._delay = self._histogram(
            "handler_delay_seconds",
            "From when a stage could begin to its beginning.",
            DELAY_BUCKETS,
            "handler",
            "stage",
        )
        self._duration = self._histogram(
            "handler_duration_seconds", "How long attempts at stages take.", DURATION_BUCKETS, "handler", "stage"
        )
        self._attempts = self._counter(
            "handler_attempts", "Attempts at stages, by how they ended.", "handler", "stage", "result"
        )
        self._approvals = self._counter("approvals", "Approvals and postponements that were sent.", "result")
        self._decisions = self._counter(
            "approval_decisions", "Decisions about approvals, by the rule that decided.", "answer", "rule"
        )
        self._problems = self._counter("problems", "Troubles that were told.", "kind")
        ProcessCollector(registry=self._registry)
        self._registry.register(_State(clock, view, readiness))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"stormcone_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"stormcone_{name}", text, labels, registry=self._registry, buckets=buckets)

    def expect(self, app: App) -> None:
        """Show zero for what may be counted of an app's handlers: what begins with one has not grown for Prometheus."""
        for handler in app.handlers:
            for stage in filter(handler.has, Stage):
                for verdict in Verdict:
                    self._attempts.labels(handler.label, stage.value, verdict.value)
        for result in _APPROVALS.values():
            self._approvals.labels(result)

    def hear(self, notice: Notice) -> None:
        """Count what the agent tells."""
        kind, event = notice.kind, notice.event
        if event is not None:
            self._hear_of(event, notice)
        if kind in _ENDED and notice.verdict:
            self._attempts.labels(notice.handler, notice.stage, notice.verdict).inc()
            self._duration.labels(notice.handler, notice.stage).observe(notice.seconds or 0.0)
        if kind is NoticeKind.RUN_BEGUN and notice.attempt == 1:
            self._delay.labels(notice.handler, notice.stage).observe(notice.seconds or 0.0)
        if kind in _APPROVALS:
            self._approvals.labels(_APPROVALS[kind]).inc()
        if notice.rule:
            self._decisions.labels(notice.answer, notice.rule).inc()
        if kind in {NoticeKind.PROBLEM, NoticeKind.UNKNOWN}:
            self._problems.labels(kind.value).inc()

    def _hear_of(self, event: MaintenanceEvent, notice: Notice) -> None:
        if notice.new:
            self._seen.labels(event.impact, event.cause).inc()
            left = (event.not_before - notice.at).total_seconds() if event.not_before else None
            if event.phase is Phase.STARTED:
                left = 0.0
            if left is not None:
                self._notice.labels(event.impact).observe(max(left, 0.0))
        elif notice.kind is NoticeKind.ENDED:
            self._ended.labels(event.impact, event.outcome or "unknown").inc()

    def text(self) -> bytes:
        """All of it, in Prometheus's text format."""
        return generate_latest(self._registry)


class _State(Collector):
    """How the agent stands, looked up at each scrape."""

    def __init__(
        self,
        clock: Clock,
        view: Callable[[], AgentView | None],
        readiness: "Callable[[AgentView], Readiness]",
    ) -> None:
        self._clock = clock
        self._view = view
        self._readiness = readiness

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is to collect is not known before."""
        return []

    def collect(self) -> Iterator[Metric]:
        """How the agent stands now."""
        build = InfoMetricFamily("stormcone_build", "The stormcone that runs.")
        build.add_metric([], {"version": __version__})
        yield build
        view = self._view()
        if view is not None:
            yield from self._agent(view)
            yield from self._sources(view)
            yield from self._events(view)
            yield from self._outbox(view)
            yield from self._fleet(view)
            yield from self._workers(view)

    def _workers(self, view: AgentView) -> Iterator[Metric]:
        """How the agent stands with the workers that do its runs."""
        crew = view.crew
        if crew is None:
            return
        for name, text, number in (
            ("workers", "Workers that live.", crew.living),
            ("offers_waiting", "Runs that are offered and that no worker has taken.", crew.waiting),
            ("runs_at_workers", "Runs that are at workers.", crew.running),
        ):
            found = _gauge(name, text)
            found.add_metric([], number)
            yield found
        taken_over = CounterMetricFamily("stormcone_runs_taken_over", "Attempts that were taken from silent workers.")
        taken_over.add_metric([], crew.taken_over)
        yield taken_over

    def _fleet(self, view: AgentView) -> Iterator[Metric]:
        """How the agent stands with its fleet, and what it knows of the machines that it has to do with there."""
        standing = view.fleet
        if standing is None:
            return
        exchanges = CounterMetricFamily(
            "stormcone_fleet_exchanges", "Exchanges with the fleet's database, by result.", labels=("result",)
        )
        exchanges.add_metric(["success"], standing.exchanges - standing.failures)
        exchanges.add_metric(["failure"], standing.failures)
        yield exchanges
        now = Instant(self._clock.now(), (view.steady or view.at) + (self._clock.now() - view.at))
        age = standing.age(now)
        if age is not None:
            last = _gauge("fleet_last_exchange_age_seconds", "How long ago the fleet last answered.")
            last.add_metric([], max(age.total_seconds(), 0.0))
            yield last
        turns = _gauge("fleet_turns_waiting", "Events of this machine for which it waits for its turn to be away.")
        turns.add_metric([], len(view.turns))
        yield turns
        votes = _gauge("fleet_approvals_waiting", "Events of this machine on whose approval others have a say, open.")
        open_ = (standing.of(work.episode, now) for work in view.works)
        votes.add_metric([], sum(each.concerns_others and not each.answered for each in open_))
        yield votes
        members = _gauge("fleet_members", "Machines that its events name or that share a group with it.", "state")
        silences = standing.silences.values()
        members.add_metric(["heard"], len(silences) - sum(silences))
        members.add_metric(["silent"], sum(silences))
        yield members

    def _outbox(self, view: AgentView) -> Iterator[Metric]:
        waiting = _gauge("outbox_messages", "Notifications that wait to be told.", "sink")
        told = CounterMetricFamily(
            "stormcone_notifications",
            "Notifications of each sink that are done with, by result.",
            labels=("sink", "result"),
        )
        for sink in view.sinks:
            waiting.add_metric([sink.name], sink.waiting)
            for result, number in (("sent", sink.sent), ("refused", sink.refused), ("dropped", sink.dropped)):
                told.add_metric([sink.name, result], number)
        yield from (waiting, told)

    def _agent(self, view: AgentView) -> Iterator[Metric]:
        ready = _gauge("ready", "1 where what is announced now would be heard of and acted on.")
        findings = self._readiness(view).findings
        ready.add_metric([], float(all(each.condition != "not_ready" for each in findings)))
        yield ready
        conditions = _gauge("condition", "1 where that part of the agent is well.", "part")
        for each in findings:
            conditions.add_metric([each.name], float(each.condition == "ready"))
        yield conditions
        loop = _gauge("loop_idle_seconds", "How long ago the agent's loop last turned.")
        loop.add_metric([], max(self._clock.monotonic() - view.seconds, 0.0))
        yield loop
        if view.machine is not None:
            machine = InfoMetricFamily("stormcone_machine", "The machine that the agent works for.")
            attributes = {name.replace(".", "_"): value for name, value in view.machine.attributes().items()}
            machine.add_metric([], attributes)
            yield machine
        size = journal_size(view.journal)
        if size is not None:
            journal = _gauge("journal_size_bytes", "The journal's file.")
            journal.add_metric([], size)
            yield journal

    def _sources(self, view: AgentView) -> Iterator[Metric]:
        polls = CounterMetricFamily("stormcone_polls", "Polls of each source, by result.", labels=("source", "result"))
        success = _gauge("poll_last_success_timestamp_seconds", "When a poll last succeeded, Unix time.", "source")
        age = _gauge("poll_last_success_age_seconds", "How long ago that was, by the agent's clock.", "source")
        for name, status in view.sources.items():
            polls.add_metric([name, "success"], status.polls - status.failures)
            polls.add_metric([name, "failure"], status.failures)
            if status.last_success is not None and status.succeeded is not None:
                success.add_metric([name], status.last_success.timestamp())
                age.add_metric([name], max(self._clock.monotonic() - status.succeeded, 0.0))
        yield from (polls, success, age)

    def _events(self, view: AgentView) -> Iterator[Metric]:
        events = _gauge("events", "Events of this machine that are not done with.", "phase", "impact", "cause")
        ours = [work.episode.event for work in view.works if _concerns(view, work.episode.event)]
        counts: dict[tuple[str, str, str], int] = {}
        for event in ours:
            key = (event.phase.value, event.impact.value, event.cause.value)
            counts[key] = counts.get(key, 0) + 1
        for key, number in counts.items():
            events.add_metric(list(key), number)
        yield events
        times = [event.not_before for event in ours if event.phase is Phase.SCHEDULED and event.not_before is not None]
        if times:
            following = _gauge("next_event_timestamp_seconds", "The earliest time of an announced event, Unix time.")
            following.add_metric([], min(times).timestamp())
            yield following
        running = _gauge("handlers_running", "Stages that are going on.", "handler", "stage")
        stages: dict[tuple[str, str], int] = {}
        for stage in view.running:
            pair = (stage.handler, stage.stage.value)
            stages[pair] = stages.get(pair, 0) + 1
        for pair, number in stages.items():
            running.add_metric(list(pair), number)
        yield running


def _concerns(view: AgentView, event: MaintenanceEvent) -> bool:
    return view.machine is None or view.machine.affected_by(event)


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"stormcone_{name}", text, labels=labels)
