"""`stormcone record`: what the cloud says, kept as a trace that a simulator replays."""

import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from stormcone.agent.pace import Pace
from stormcone.agent.poller import Poller, PollResult
from stormcone.cli.configured import source_options
from stormcone.cli.console import print_json, say
from stormcone.cli.options import Span, json_option
from stormcone.cli.signals import run_until_told
from stormcone.clouds.contract import AUTO, ProviderOptions, Source
from stormcone.clouds.exchange import Exchange
from stormcone.clouds.trace import trace_rules
from stormcone.detect import open_provider
from stormcone.errors import TraceError
from stormcone.model import EventKey, MaintenanceEvent, Phase
from stormcone.recording import Recorder
from stormcone.simulators.control_client import clock_of
from stormcone.text import printable


@click.command("record")
@source_options
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write; it must not exist yet.",
)
@click.option("--anonymise", is_flag=True, help="Write pseudonyms for ids, names and addresses.")
@click.option("--interval", type=Span(), help="Time between polls; default: what the cloud advises.")
@click.option("--for", "duration", type=Span(), help="Stop after this long; default: at Ctrl-C.")
@json_option
def command(
    source: Source,
    output: Path,
    anonymise: bool,
    interval: timedelta | None,
    duration: timedelta | None,
    as_json: bool,
) -> None:
    """Record what the cloud says of this machine, until Ctrl-C.

    Only asks, and approves nothing. What has not changed is counted, so the file grows with what happens and not with
    time. Credentials, tokens and signatures never reach it.

    \b
    stormcone record --provider azure -o trace.yaml --anonymise
    stormcone simulator azure --replay trace.yaml --speed 60
    """
    clock = clock_of(source.endpoint)
    options = ProviderOptions.of(source, clock)
    if options.provider == AUTO:
        # Those who are asked in vain have no place in the trace.
        found = open_provider(options)
        options = replace(options, provider=found.name)
        found.close()
    tap = _Tap()
    provider = open_provider(replace(options, tap=tap))
    stopped = threading.Event()
    begun = clock.now()
    try:
        ours = provider.identify()
        with Recorder(
            output,
            provider=provider.name,
            begun=begun,
            rules=trace_rules(provider),
            machine=ours.name,
            anonymise=anonymise,
        ) as recorder:
            tap.connect(recorder)
            if not recorder.asked:
                raise TraceError(f"the provider {provider.name} tells of no exchange, so it cannot be recorded")
            pace = provider.capabilities.poll_interval if interval is None else interval.total_seconds()
            going_on = _GoingOn()
            poller = Poller(provider, clock, Pace(provider, pace), going_on)

            def post(answer: PollResult) -> None:
                going_on.see(answer)
                if recorder.error:
                    stopped.set()

            say(f"Recording {provider.name} on {printable(ours.name)} to {output}. Ctrl-C ends it.", err=True)
            thread = threading.Thread(target=poller.run, args=(post,), name="stormcone-record", daemon=True)

            def until_it_is_over() -> None:
                thread.start()
                clock.wait(stopped, None if duration is None else duration.total_seconds())

            # Not in the main thread: there a signal's handler would take the very lock that whoever waits may hold.
            run_until_told(until_it_is_over, stopped.set)
            poller.stop()
    finally:
        provider.close()
    if recorder.error:
        raise recorder.error
    size = output.stat().st_size
    if as_json:
        document = {"file": str(output), "exchanges": recorder.asked, "entries": recorder.stored, "bytes": size}
        print_json(document)
    else:
        say(f"{output}: {recorder.asked} exchanges, {recorder.stored} of them new, {size} bytes.")


class _Tap:
    """Keeps what is told before there is a file to write it to."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._early: list[Exchange] = []
        self._recorder: Recorder | None = None

    def __call__(self, exchange: Exchange) -> None:
        with self._lock:
            if self._recorder is None:
                self._early.append(exchange)
            else:
                self._recorder.record(exchange)

    def connect(self, recorder: Recorder) -> None:
        """Hand over what was told so far, and whatever is told from now on."""
        with self._lock:
            for exchange in self._early:
                recorder.record(exchange)
            self._early.clear()
            self._recorder = recorder


class _GoingOn:
    """The events whose ends are still to come, so that the cloud is asked for these as an agent asks."""

    def __init__(self) -> None:
        self._events: dict[EventKey, MaintenanceEvent] = {}

    def __call__(self) -> dict[EventKey, MaintenanceEvent]:
        return self._events

    def see(self, answer: PollResult) -> None:
        """Take note of what is listed, and of what is said to have ended."""
        if answer.observation is None:
            return
        listed = answer.observation.events
        ended = {event.key for event in listed if event.phase is Phase.ENDED} | set(answer.verdicts or ())
        known = {**self._events, **{event.key: event for event in listed}}
        self._events = {key: event for key, event in known.items() if key not in ended}
