"""Judges a round by what really happened: what handlers did, what the wire saw, what the driver did.

It knows the promises, and nothing of the code that keeps them: it imports nothing of the agent's. A rule is a function
that yields a sentence for each breach; `RULES` lists them.
"""

from collections.abc import Callable, Iterator

from story import FOREVER, Event, Life, Line, Story

LONG_ENOUGH = 6.0
"""Real seconds in which an agent that nothing disturbs has begun to prepare, on a busy machine."""

SETTLES = 2.0
"""Real seconds for which what disturbs it is felt: a pause after a failed poll, a start."""

RECORDED = 3.0
"""Real seconds in which a life that goes on has written down what was done."""

GRACE = 10.0
"""Seconds of the agent's clock that a stage has to end once it is told to."""

MEBIBYTE = 2**20
MEMORY_BOUND = 192 * MEBIBYTE
JOURNAL_BOUND = (512 * 1024, 16 * 1024)
"""Bytes: of any journal, and for each event."""
LOG_BOUND = (MEBIBYTE, 24 * 1024)
"""Bytes: of any log, and for each life and event; what a command says is cut at a quarter of a mebibyte."""

USUAL_ENDS = {0}
EARLY_ENDS = {0, 143, -15}
"""How a program may end that is told to before it has begun its work."""

IN_USE = 75
CANNOT_WRITE = 74


def recovers(story: Story) -> Iterator[str]:
    """Whatever began to prepare is recovered from, under its id or the one that it was taken to have next."""
    recovered = {
        (event.id, deed["handler"])
        for event in story.events.values()
        for deed in event.lines("ends", stage="recover", how="well")
    }
    for event in story.events.values():
        if event.kind is None or story.forgiven(event):  # what is made up goes on under its own id, once that is read
            continue
        ids = {event.id, *_successors(story, event)}
        for handler in sorted({deed["handler"] for deed in event.lines("begins") if deed["stage"] != "recover"}):
            if not any((each, handler) in recovered for each in ids):
                yield f"{_of(event)}: {handler} has begun and has never recovered"


def _successors(story: Story, event: Event) -> set[str]:
    """The ids under which the event may have gone on, one after the other."""
    found: set[str] = set()
    new = [event]
    while new:
        before = new.pop()
        after = [other for other in story.events.values() if any(each is before for each in other.predecessors)]
        new += [other for other in after if other.id not in found]
        found |= {other.id for other in after}
    return found


def recovers_from_something(story: Story) -> Iterator[str]:
    """Recover runs only where prepare or started began; one may have been recorded, and its life ended at that."""
    for event in story.events.values():
        if story.forgiven(event):
            continue
        own = [event, *_ancestors(event), *(each for each in story.events.values() if each.kind is None)]
        for handler in sorted({deed["handler"] for deed in event.lines("begins", stage="recover")}):
            begun = (deed for each in own for deed in each.lines("begins", handler=handler))
            if any(deed["stage"] != "recover" for deed in begun):
                continue
            if not any(_cut_short(story, life, each, handler) for life in story.lives.values() for each in own):
                yield f"{_of(event)}: {handler} has recovered from what it never began"


def _ancestors(event: Event) -> list[Event]:
    """The events that it may be taken for, and those that these may, each once."""
    found: list[Event] = []
    new = list(event.predecessors)
    while new:
        earlier = new.pop()
        if not any(each is earlier for each in found):
            found.append(earlier)
            new += earlier.predecessors
    return found


def _cut_short(story: Story, life: Life, event: Event, handler: str) -> bool:
    """Whether work may have begun in a life and been ended before it could write that down.

    The life was over soon after it was told of the event; or the event itself was, and a command that is told to end
    while its interpreter starts writes nothing.
    """
    ends = [life.over, *([life.stop, event.begun, event.over] if handler == "commands" else [])]
    moments = [at for at, events in life.told if event.id.lower() in events]
    moments += [deed["at"] for deed in event.deeds if deed["life"] == life.number]
    still = sum(end - start for start, end in life.frozen if end < FOREVER)
    return any(at <= end <= at + RECORDED * story.slowness + still for at in moments for end in ends)


def recovers_late_enough(story: Story) -> Iterator[str]:
    """Recover never comes before the event's end, and nothing else after it."""
    for event in story.events.values():
        if event.kind is None:
            continue
        first = next((deed["at"] for deed in event.lines("begins", stage="recover")), FOREVER)
        if first < event.over:
            yield f"{_of(event)}: recover began {event.over - first:.2f} s before its end"
        for deed in event.lines("begins"):
            if deed["stage"] != "recover" and deed["at"] > first and not story.forgiven(event):
                yield f"{_of(event)}: {deed['handler']} began {deed['stage']} after recover"


def prepares(story: Story) -> Iterator[str]:
    """An event of ours that an undisturbed agent could have seen for long is prepared for."""
    enough = LONG_ENOUGH * story.slowness
    quiet = [interval for interval in story.quiet(SETTLES * story.slowness) if interval[1] - interval[0] >= enough]
    for event in story.events.values():
        if event.kind is None or not event.kind.prepares:
            continue
        until = min(event.begun, event.over)
        first = next((deed["at"] for deed in event.lines("begins", stage="prepare")), FOREVER)
        for start, end in quiet:
            begun = max(start, event.announced)
            if min(end, until) - begun >= enough and first > begun + enough:
                yield f"{_of(event)}: nobody prepared for it in {min(end, until) - begun:.1f} quiet seconds"
                break


def leaves_others_alone(story: Story) -> Iterator[str]:
    """Nothing is done for an event that does not name us."""
    for event in story.events.values():
        if event.kind is not None and "ours" not in event.kind.names and event.deeds:
            yield f"{_of(event)}: {event.deeds[0]['handler']} did something for a neighbour's event"


def approves_nobody_elses(story: Story) -> Iterator[str]:
    """Only what names us alone, and was read whole, is approved."""
    for event in story.events.values():
        if event.approvals and (event.kind is None or not event.kind.approves):
            yield f"{_of(event)}: it was approved, and never may be"


def approves_in_time(story: Story) -> Iterator[str]:
    """An approval comes after every prepare has ended well, and not while one runs."""
    nameless = [deed for event in story.events.values() if event.kind is None for deed in event.lines("ends")]
    prepared = [deed for deed in nameless if (deed["stage"], deed["how"]) == ("prepare", "well")]
    for event in story.events.values():
        for sent in event.approvals:
            for handler in story.handlers:
                done = list(event.lines("begins", "ends", handler=handler, stage="prepare"))
                done = done or [deed for deed in prepared if deed["handler"] == handler]  # before its id could be read
                last = [deed for deed in done if deed["at"] <= sent["at"]][-1:]
                if not last or last[0].get("how") != "well":
                    yield f"{_of(event)}: it was approved before {handler} had prepared well"


def approves_once(story: Story) -> Iterator[str]:
    """An approval is repeated only where its answer was lost, to the wire or with the life that it came to."""
    for event in story.events.values():
        if story.forgiven(event):
            continue
        for sent, again in zip(event.approvals, event.approvals[1:], strict=False):
            life = story.life_at(sent["at"])
            known = sent["whole"] and story.undisturbed(sent["at"], sent["answered"] + RECORDED * story.slowness)
            if known or (sent["whole"] and life is not None and again["at"] <= life.over):
                yield f"{_of(event)}: it was approved again although the answer had come"


def approves_at_all(story: Story) -> Iterator[str]:
    """In the calm, what was prepared well is approved; consent takes an app that says so, and commands have none."""
    if story.plan["cloud"] == "alibaba" and story.plan["handlers"] == "commands":
        return
    for event in story.events.values():
        if event.kind is None or not event.kind.approves or event.approvals or event.announced < story.calm:
            continue
        ends = [next(event.lines("ends", handler=name, stage="prepare", how="well"), None) for name in story.handlers]
        times = [deed["at"] for deed in ends if deed is not None]
        if len(times) == len(ends) and max(times) + SETTLES * story.slowness < min(event.begun, event.over):
            yield f"{_of(event)}: all had prepared well, and it was not approved"


def one_stage_at_a_time(story: Story) -> Iterator[str]:
    """Of one event one stage runs at a time, but for one that was given up after its grace."""
    for event in story.events.values():
        running: Line | None = None
        for deed in event.lines("begins", "ends"):
            if deed["does"] == "ends":
                running = None
                continue
            same_life = running is not None and running["life"] == deed["life"]
            if running is not None and same_life and deed["at"] - running["at"] < GRACE / story.speed:
                yield f"{_of(event)}: {_stage(deed)} began beside {_stage(running)}"
            running = deed


def dead_lives_rest(story: Story) -> Iterator[str]:
    """Nothing that a dead life has begun goes on once the next one has begun anything of the same event."""
    for event in story.events.values():
        if story.forgiven(event):
            continue
        newest = -1
        for deed in event.deeds:
            if deed["does"] == "begins":
                newest = max(newest, deed["life"])
            if deed["life"] < newest:
                yield f"{_of(event)}: {_stage(deed)} of life {deed['life']} {deed['does']} beside life {newest}"
                break


def done_is_done(story: Story) -> Iterator[str]:
    """What has ended well is not begun again, where the life had the time to write that down."""
    for event in story.events.values():
        if event.kind is None or story.forgiven(event):  # one that is made up may come back
            continue
        ended: dict[tuple[str, str], Line] = {}
        for deed in event.lines("begins", "ends"):
            stage = (deed["handler"], deed["stage"])
            if deed["does"] == "ends" and deed["how"] == "well" and not _was_to_end(story, event, deed):
                ended[stage] = deed
            elif deed["does"] == "begins" and stage in ended:
                well = ended[stage]
                if well["life"] == deed["life"] or story.undisturbed(
                    well["at"], well["at"] + RECORDED * story.slowness
                ):
                    yield f"{_of(event)}: {_stage(deed)} was begun again although it had ended well"


def attempts_are_counted(story: Story) -> Iterator[str]:
    """Each attempt at a stage has a higher number than the one before."""
    for event in story.events.values():
        if event.kind is None or story.forgiven(event):  # one that is made up may come back
            continue
        numbers: dict[tuple[str, str], int] = {}
        for deed in event.lines("begins"):
            stage = (deed["handler"], deed["stage"])
            if deed["attempt"] <= numbers.get(stage, 0):
                yield f"{_of(event)}: {_stage(deed)} was begun as attempt {deed['attempt']} once more"
            numbers[stage] = deed["attempt"]


def ends_nothing_without_reason(story: Story) -> Iterator[str]:
    """A stage is told to end only where its agent stops or has died, or its event has gone on."""
    for event in story.events.values():
        if event.kind is None or story.forgiven(event):
            continue
        for deed in event.deeds:
            told = deed["does"] == "told" or deed.get("how") == "told"
            if told and not _was_to_end(story, event, deed):
                yield f"{_of(event)}: {_stage(deed)} was told to end without a reason"
                break


def _was_to_end(story: Story, event: Event, deed: Line) -> bool:
    life = story.lives[deed["life"]]
    gone_on = [] if deed["stage"] == "recover" else [event.begun, event.over]
    return bool(deed["at"] >= min(life.stop, life.over, *gone_on))


def gives_grace(story: Story) -> Iterator[str]:
    """A command that is told to end with its agent has the time to come to a good end."""
    for stopped in story.of("stopped"):
        if stopped["seconds"] >= GRACE / story.speed - 0.2:
            continue
        for event in story.events.values():
            told = [deed for deed in event.lines("told") if deed["life"] == stopped["life"]]
            for deed in told:
                if not any(other["life"] == stopped["life"] for other in _ends_after(event, deed)):
                    yield f"{_of(event)}: {_stage(deed)} was told to end and then killed, without a grace"


def _ends_after(event: Event, deed: Line) -> Iterator[Line]:
    fitting = event.lines("ends", handler=deed["handler"], stage=deed["stage"])
    return (other for other in fitting if other["at"] >= deed["at"])


def stops_as_promised(story: Story) -> Iterator[str]:
    """An agent that is told to stop ends in time, with a good status or that of a journal it could not open."""
    for line in story.of("does not stop"):
        yield f"life {line['life']} did not stop within {line['seconds']:.1f} s"
    for line in story.of("stopped"):
        life = story.lives[line["life"]]
        opened = life.begun + RECORDED * story.slowness
        usual = EARLY_ENDS if life.stop < opened and not life.told else USUAL_ENDS
        if line["status"] not in usual | ({CANNOT_WRITE} if story.was_full(life.begun, opened) else set()):
            yield f"life {line['life']} was told to stop and ended with {line['status']}"


def lives_on(story: Story) -> Iterator[str]:
    """An agent ends only where it is ended; or at a first start, when nothing was done before, or with a full disk."""
    for line in story.of("ended by itself"):
        life = story.lives[line["life"]]
        since = max((lost for lost in story.lost if lost <= life.over), default=-FOREVER)
        known = any(since <= deed["at"] <= life.over for deed in story.deeds)
        excused = story.was_full(life.begun, life.over) or any(life.begun <= lost <= life.over for lost in story.lost)
        if known and not excused:
            yield f"life {line['life']} ended by itself with {line['status']}"


def keeps_its_journal_to_itself(story: Story) -> Iterator[str]:
    """Of two agents on one journal the second one ends, and says why."""
    for line in story.of("intruder ended"):
        life = story.lives[line["life"]]
        if line["beside"] and line["status"] != IN_USE and not story.was_full(life.begun, life.over):
            yield f"life {line['life']} came to another's journal and ended with {line['status']}"
    intruders = {life.number for life in story.lives.values() if life.intruder}
    for deed in story.deeds:
        if deed["life"] in intruders:
            yield f"life {deed['life']} works with another's journal"
            break


def stays_small(story: Story) -> Iterator[str]:
    """Memory, journal and log are bounded."""
    for line in story.of("size"):
        told = sum(1 for deed in story.deeds if deed["handler"] == "commands" and deed["does"] == "begins")
        bounds = {
            "resident": MEMORY_BOUND,
            "journal": JOURNAL_BOUND[0] + JOURNAL_BOUND[1] * len(story.events),
            "log": LOG_BOUND[0] + LOG_BOUND[1] * (line["lives"] + len(story.events)) + told * MEBIBYTE // 20,
        }
        for what, bound in bounds.items():
            if line[what] > bound:
                yield f"its {what} has {line[what]} bytes, and {bound} are the bound"


def keeps_secrets(story: Story) -> Iterator[str]:
    """Commands do not get the provider's credentials."""
    for deed in story.deeds:
        if deed.get("secrets"):
            yield f"a command was given {', '.join(deed['secrets'])}"
            return


RULES: tuple[Callable[[Story], Iterator[str]], ...] = (
    recovers,
    recovers_from_something,
    recovers_late_enough,
    prepares,
    leaves_others_alone,
    approves_nobody_elses,
    approves_in_time,
    approves_once,
    approves_at_all,
    one_stage_at_a_time,
    dead_lives_rest,
    done_is_done,
    attempts_are_counted,
    ends_nothing_without_reason,
    gives_grace,
    stops_as_promised,
    lives_on,
    keeps_its_journal_to_itself,
    stays_small,
    keeps_secrets,
)
"""The promises."""


def breaches(story: Story) -> list[str]:
    """What was not as promised, each as a sentence that begins with the rule's name."""
    return [f"{rule.__name__}: {sentence}" for rule in RULES for sentence in rule(story)]


FIGURES: dict[str, Callable[[Story], int]] = {
    "kills": lambda story: sum(1 for _ in story.of("killed")),
    "stops": lambda story: sum(1 for _ in story.of("stopped")),
    "freezes": lambda story: sum(1 for _ in story.of("freeze")),
    "intruders": lambda story: sum(1 for _ in story.of("intruder ended")),
    "wire faults": lambda story: len(story.faults),
    "full disks": lambda story: len(story.full),
    "clock steps": lambda story: sum(1 for _ in story.of("clock")),
    "journals lost": lambda story: len(story.lost) // 2,
    "events": lambda story: sum(event.kind is not None for event in story.events.values()),
    "prepared": lambda story: _count(story, "begins", "prepare"),
    "recovered": lambda story: _count(story, "ends", "recover", "well"),
    "attempts": lambda story: sum(deed["does"] == "begins" for deed in story.deeds),
    "approvals": lambda story: sum(len(event.approvals) for event in story.events.values()),
}
"""What a round is counted by."""


def _count(story: Story, does: str, stage: str, how: str | None = None) -> int:
    wanted = {"stage": stage, **({"how": how} if how else {})}
    return sum(len({deed["handler"] for deed in event.lines(does, **wanted)}) for event in story.events.values())


def _of(event: Event) -> str:
    return f"event {event.id} ({event.name})"


def _stage(deed: Line) -> str:
    return f"{deed['stage']} of {deed['handler']}"
