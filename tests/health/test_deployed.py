"""The files in `deploy/`: alert rules, a dashboard and a unit, held to what the agent really shows."""

import json
import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from tests.core.conftest import HeldExecutor
from tests.health.prometheus import Prometheus

from stormcone.agent.stages import CrewView
from stormcone.clock import ManualClock
from stormcone.errors import ProviderError, Veto
from stormcone.handlers import Stage
from stormcone.health.face import METRICS
from stormcone.health.server import HealthListener
from stormcone.health.shards import ShardsHealth
from stormcone.journal import SinkRecord
from stormcone.service.unit import drop_in_text, unit_text

_NAME = re.compile(r"\b(?:stormcone|process)_\w+")


def needs(program):
    return pytest.mark.skipif(
        shutil.which(program) is None, reason=f"{program} is not installed (Debian's package prometheus)"
    )


@pytest.fixture
def deploy(request):
    return request.config.rootpath / "deploy"


@pytest.fixture
def expressions(deploy):
    """Every expression of the dashboard and of the alerts."""
    board = json.loads((deploy / "grafana" / "stormcone.json").read_text())
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    shown += [each["expr"] for each in board["annotations"]["list"]]
    alerts = re.findall(r"^ +expr: (.*)$", (deploy / "prometheus" / "stormcone.rules.yml").read_text(), re.MULTILINE)
    filled = [text.replace("$instance", ".*").replace("$__rate_interval", "1m") for text in shown]
    assert len(filled) > 15
    assert len(alerts) > 5
    return filled + alerts


@pytest.fixture
def told(world, health):
    """An agent to which everything has happened that is counted."""
    world.handler("lb", (Stage.PREPARE,)).script.extend([Veto("not today"), None])
    world.step()
    health.watch(world.agent)
    world.cloud.announce()
    world.cloud.announce(id="E-2", resources=("web-0", "web-1"))
    world.step(seconds=1)
    world.cloud.forget("E-2")
    world.cloud.poll_faults.append(ProviderError("timed out"))
    world.step(seconds=1)
    world.executor = HeldExecutor()
    world.cloud.announce(id="E-3")
    world.step(seconds=2)
    crew = CrewView(living=1, waiting=2, running=3, taken_over=4)
    world.agent._view = replace(world.agent.view, sinks=(SinkRecord(name="ops", waiting=1),), crew=crew)
    return health


def test_alerts_and_dashboard_name_only_what_agents_and_watchers_show(expressions, told):
    texts = [each.answer(METRICS, private=False).body.decode() for each in (told, ShardsHealth(ManualClock()))]
    shown = {name for text in texts for name in re.findall(r"^(\w+)", text, re.MULTILINE)}
    asked = {name for expression in expressions for name in _NAME.findall(expression)}
    assert asked - shown == set()


def test_the_page_names_all_that_the_agent_shows_and_nothing_else(request, told):
    page = (request.config.rootpath / "docs" / "operations.md").read_text()
    text = told.answer(METRICS, private=False).body.decode()
    kinds = dict(re.findall(r"^# TYPE (stormcone_\w+) (\w+)$", text, re.MULTILINE))
    made = {name for name in kinds if name.endswith("_created")}  # the client's own, of when a counter began
    listed = re.findall(r"^\| (`stormcone_.*?`) \| (\w+) \|", page, re.MULTILINE)
    told_of = {name.strip("` "): kind for names, kind in listed for name in names.split(",")}
    assert {
        name: "info" if name.endswith("_info") else kind for name, kind in kinds.items() if name not in made
    } == told_of


def test_the_dashboards_panels_stand_side_by_side(deploy):
    board = json.loads((deploy / "grafana" / "stormcone.json").read_text())
    taken = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


@needs("promtool")
@pytest.mark.parametrize(
    "words",
    [
        ("check", "rules", "stormcone.rules.yml"),
        ("test", "rules", "stormcone.test.yml"),
        ("check", "config", "scrape.yml"),
    ],
    ids=["well made", "firing where they should", "and the way that they are loaded"],
)
def test_the_alerts_are(deploy, words):
    done = subprocess.run(
        ["promtool", *words], cwd=deploy / "prometheus", capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case(deploy):
    rules = (deploy / "prometheus" / "stormcone.rules.yml").read_text()
    cases = (deploy / "prometheus" / "stormcone.test.yml").read_text()
    assert set(re.findall(r"- alert: (\w+)", rules)) == set(re.findall(r"alertname: (\w+)", cases))


def test_the_unit_is_the_one_that_is_installed(deploy):
    folder = deploy / "systemd"
    assert (folder / "stormcone.service").read_text() == unit_text(["/opt/stormcone/bin/stormcone", "run"])
    assert (folder / "stormcone.service.d" / "handlers.conf").read_text() == drop_in_text()


@needs("prometheus")
@pytest.mark.timeout(120)
def test_a_real_prometheus_scrapes_the_agent_and_can_answer_all_that_is_asked(
    told, world, expressions, deploy, tmp_path
):
    from stormcone.health.addresses import Address

    listener = HealthListener(Address("127.0.0.1", 0), told, lambda _: None)
    assert listener.listening.wait(20)
    rules = deploy / "prometheus" / "stormcone.rules.yml"
    prometheus = Prometheus(tmp_path, listener.port, rules)
    try:
        prometheus.until('up{job="stormcone"} == 1')
        (polls,) = prometheus.until('stormcone_polls_total{result="failure"}')
        assert polls["value"][1] == "1"
        (attempts,) = prometheus.ask('stormcone_handler_attempts_total{result="vetoed"}')
        assert attempts["value"][1] == "1"
        for expression in expressions:
            prometheus.ask(expression)  # one that it cannot read is an error of HTTP
    finally:
        prometheus.close()
        listener.close()
