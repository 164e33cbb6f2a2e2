"""Pictures drawn from the rules' own tables, so that no picture can say anything else than the code does."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count

import svg
from stormcone_house import picture as house
from stormcone_incident import incident

from stormcone.model import Phase
from stormcone.plugins import PROVIDERS, load_plugins
from stormcone.rules.approval import AGREEMENT, GUARDS, PREPARED, TURN, Rule
from stormcone.rules.lifecycle import MOVES, Move

_APPROVAL_GROUPS = (
    ("No app can overrule these", (*TURN, *GUARDS)),
    ("Then the app decides", PREPARED),
    ("In a fleet, where it would be yes for an event of several machines", AGREEMENT),
)

_STAGES = {
    Phase.SCHEDULED: "scheduled: prepare runs",
    Phase.STARTED: "started: started runs",
    Phase.ENDED: "ended: recover runs",
}


def approval(groups: Sequence[tuple[str, Sequence[Rule]]] = _APPROVAL_GROUPS) -> str:
    """How an approval is decided: the rules from the top, and what each decides."""
    left, wide, answer, right = 6, 376, 60, 430
    middle = left + wide / 2
    parts, y = [], 0.0
    for title, rules in groups:
        parts.append(svg.text(left, y + 18, [title], "heading"))
        y += 32
        for rule in rules:
            last = rules is groups[-1][1] and rule is rules[-1]
            height = 14 + svg.LINE * len(svg.lines_of(rule.when, wide - 8))
            words = f"otherwise: {rule.when}" if last else f"{rule.when}?"
            parts += [
                f"<g><title>{rule.name}</title>",
                svg.box(left, y, wide, height, words),
                svg.arrow(f"M{left + wide} {y + height / 2:g}H{right}"),
                svg.box(right, y + height / 2 - 14, answer, 28, rule.answer.value, f"box {rule.answer.value}"),
                "</g>",
            ]
            y += height
            if not last:
                parts.append(svg.arrow(f"M{middle:g} {y:g}v14"))
            y += 14
        y += 4
    says = "The rules of approval from the top: the first that applies decides"
    return svg.picture("approval", says, y - 8, parts, width=500)


def life(moves: Sequence[Move] = MOVES) -> str:
    """The life of an event: the phases, and every move between them."""
    phases = (None, *Phase)
    x, wide, high, apart = 215, 190, 36, 140
    top = {phase: 10 + number * apart for number, phase in enumerate(phases)}
    parts = [
        svg.box(x, top[phase], wide, high, _STAGES[phase] if phase else "not known", "box strong" if phase else "box")
        for phase in phases
    ]
    for move in moves:
        steps = phases.index(move.after) - phases.index(move.before)
        begin, end = top[move.before], top[move.after]
        between = (begin + end + high) / 2
        if steps == 1:
            parts.append(svg.arrow(f"M{x + 95} {begin + high}V{end}"))
            lines = svg.lines_of(move.when, 150 if move.before else 250)
            parts.append(svg.text(x + 104, svg.middle(between, lines), lines, "label"))
            continue
        if steps > 1:
            parts.append(svg.arrow(f"M{x} {begin + 26}C{x - 90} {begin + 60} {x - 90} {end - 24} {x} {end + 10}"))
            lines = svg.lines_of(move.when, 140)
            parts.append(svg.text(x - 72, svg.middle(between, lines), lines, "label", "end"))
            continue
        edge = x + wide
        if steps == 0:
            parts.append(svg.arrow(f"M{edge} {begin + 8}c40 -12 40 32 0 20"))
            at, room = edge + 38, 155
        else:
            parts.append(
                svg.arrow(f"M{edge} {begin + 6}C{edge + 40} {begin - 30} {edge + 40} {end + 66} {edge} {end + 34}")
            )
            at, room = edge + 36, 155
        lines = svg.lines_of(move.when, room)
        parts.append(svg.text(at, svg.middle(between, lines), lines, "label"))
    says = "The life of an event: not known, scheduled, started, ended, and every step between these"
    return svg.picture("life", says, top[Phase.ENDED] + high + 10, parts)


def _clouds() -> Iterator[str]:
    """The clouds that there are providers of; a second way to hear of one is not another cloud."""
    for name in load_plugins(PROVIDERS).names:
        if "-" not in name:
            yield {"aws": "AWS"}.get(name, name.capitalize())


def architecture() -> str:
    """Who talks to whom."""
    parts = []
    clouds = list(_clouds())
    wide = (540 - 10 * (len(clouds) - 1)) / len(clouds)
    for number, name in zip(count(), clouds, strict=False):
        parts.append(svg.box(30 + number * (wide + 10), 34, wide, 34, name))
    parts += [
        svg.text(30, 22, ["A cloud, or a simulator that speaks its protocol"], "heading"),
        svg.arrow("M200 68V122"),
        svg.text(190, 99, ["notices"], "label", "end"),
        svg.arrow("M400 122V68"),
        svg.text(410, 99, ["approvals"], "label"),
        '<rect class="frame" x="20" y="122" width="560" height="262" rx="8"/>',
        svg.text(34, 146, ["The agent, on the machine that it watches"], "heading"),
        svg.box(34, 158, 532, 36, "provider: the cloud's notice becomes an event"),
        svg.arrow("M200 194V222"),
        svg.arrow("M400 222V194"),
        svg.box(34, 222, 532, 36, "rules: what has changed, what is to be done, may it begin?"),
        svg.arrow("M120 258V330"),
        svg.arrow("M300 258V330"),
        svg.arrow("M480 258V330"),
        svg.text(112, 299, ["all of it"], "label", "end"),
        svg.text(308, 299, ["runs, with a deadline"], "label"),
        svg.text(488, 299, ["how it is"], "label"),
        svg.box(34, 330, 160, 40, "journal (SQLite)"),
        svg.box(214, 330, 160, 40, "workers"),
        svg.box(394, 330, 172, 40, "health, metrics, status"),
        svg.arrow("M114 370V434"),
        svg.arrow("M294 370V434"),
        svg.arrow("M480 370V434"),
        svg.box(34, 434, 160, 66, "stormcone history; sinks tell others"),
        svg.box(214, 434, 160, 66, "your handler: prepare, started, recover", "box strong"),
        svg.box(394, 434, 172, 66, "Prometheus, systemd, you"),
    ]
    says = "A cloud's notices become events; the rules turn them into runs of your handler and into approvals"
    return svg.picture("architecture", says, 510, parts)


PICTURES: dict[str, Callable[[], str]] = {
    "architecture": architecture,
    "life": life,
    "approval": approval,
    "incident": incident,
    "house": house,
}
"""Every picture by its name."""
