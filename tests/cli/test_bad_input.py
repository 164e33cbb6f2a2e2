"""What is asked for in vain: each in one sentence, with the exit status that `stormcone --help` documents."""

import contextlib
import shlex
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stormcone.clock import ManualClock
from stormcone.journal import Journal
from stormcone.model import Impact, Machine
from stormcone_simulators.azure import AzureSimulator

RUN = "run --on-prepare true --provider azure"
MADE = "--provider azure --endpoint {url}"

COMMAND_LINES = [
    # the command line itself
    ("sail", 2, "No such command 'sail'"),
    ("run", 2, "there is nothing to run: give a handler file, or a command with --on-prepare"),
    ("check", 2, "there are no handlers: give a handler file, or a configuration that has one, or has commands"),
    (f"{RUN} --interval 0", 2, "it must be longer than 0; write 1s, for example"),
    (f"{RUN} --interval soon", 2, "'soon' is not a length of time; write 90s, 15m, 1h30m or 7d"),
    (f"{RUN} --interval 99999d", 2, "99999d is too long; ten years is the most"),
    (f"{RUN} --interval 1m-", 2, "'1m-' is not a length of time"),
    ('run --on-prepare "\'"', 2, "cannot be read: No closing quotation"),
    ("run --on-prepare ''", 2, "a command is empty; give a program and its arguments"),
    ("run --on-prepare []", 2, "[] is not a list of words"),
    ("run --on-prepare [1]", 2, "[1] is not a list of words"),
    ("run --on-prepare '[\"a\"'", 2, "delimiter"),
    ("run --on-recover true --lead 5m", 2, "lead: it says when on_prepare is run, and that is not given"),
    ("run --on-recover true --lead 5m", 2, "set it as well (flag --lead)"),
    (
        "run --with-credentials",
        2,
        "it is for commands, and none is given; set on_prepare too (flag --with-credentials)",
    ),
    (
        "run --on-prepare true --standby web-1",
        64,
        "it needs a leader to stand in for; set leader as well (flag --standby)",
    ),
    ("run --on-prepare true --postpone-by 3d", 64, "set postpone to once as well (flag --postpone-by)"),
    (
        "run --on-prepare true --postpone never --postpone-by 3d",
        64,
        "set postpone to once as well (flag --postpone-by)",
    ),
    (f"{RUN} --approve sometimes", 2, "'sometimes' is not one of 'prepared', 'never'"),
    (f"{RUN} --journal .", 2, "is a directory"),
    ("history --last 0", 2, "0 is not in the range x>=1"),
    ("demo --cloud nimbus", 2, "there is no simulated cloud 'nimbus'; there are: "),
    # settings
    (f"{RUN} --lead 400d", 64, "lead of 'commands' is from 0 to 365 days"),
    (f"{RUN} --endpoint ftp://here", 64, "endpoint 'ftp://here' is not a server's address"),
    (f"{RUN} --endpoint http://[", 64, "endpoint 'http://[' is not a server's address"),
    (f"{RUN} --set fast", 64, "--set takes NAME=VALUE, not 'fast'"),
    (f"{RUN} --set =1", 64, "--set takes NAME=VALUE, not '=1'"),
    (f"{RUN} --set a=1 --set a=2", 64, "--set a is given twice; give it once"),
    (f"{RUN} --set sails=3", 64, "azure has no setting sails; it has api-version"),
    (f"{RUN} --set api-version=new", 64, "api-version 'new' is not one of Azure's"),
    # clouds
    ("events --provider nimbus", 78, "no such cloud: nimbus; there are: "),
    ("doctor --provider nimbus", 78, "no such cloud: nimbus; there are: "),
    ("simulate reboot --machine web-0 --provider nimbus", 78, "no such cloud: nimbus; there are: "),
    (f"{RUN} --endpoint {{dead}}", 69, "connection refused; run this on an Azure VM, or say where"),
    ("events --endpoint {dead}", 69, "no cloud was found; name one with --provider, or say where it is"),
    (f"{RUN} --endpoint {{page}}", 69, "this is not Azure (the answer of its metadata service is not JSON)"),
    (f"events {MADE} --set api-version=2030-01-01", 70, "Azure finds the Metadata header, the api-version or"),
    # approving
    (f"approve nothing {MADE}", 70, "there is no event nothing; announced: {event}"),
    (
        f"approve {{event}} {MADE}",
        1,
        "nothing was approved: it would speak for web-0 (this machine), web-1; give --yes if that is right",
    ),
    # the journal
    (f"{RUN} --journal text", 74, "the journal text cannot be used: file is not a database"),
    (f"{RUN} --journal other.db", 74, "other.db is a database, but not a stormcone journal; name another file"),
    (f"{RUN} --journal text/journal.db", 74, "the journal text/journal.db cannot be made: "),
    (f"{RUN} --journal locked.db", 75, "the journal locked.db is in use by process "),
    ("history --journal none.db", 74, "there is no journal at none.db; name another one, or start an agent first"),
    ("history --journal text", 74, "the journal text cannot be used: file is not a database"),
    ("history nothing --journal locked.db", 1, "the journal locked.db has no event nothing"),
    # simulators
    ("simulator nimbus", 78, "no such simulator: nimbus; there are: "),
    ("simulator azure --port 99999", 2, "99999 is not in the range 0<=x<=65535"),
    ("simulator azure --port {port}", 71, "cannot listen on port {port} of 127.0.0.1: Address already in use"),
    ("simulator azure --speed 0", 64, "--speed 0 cannot be used"),
    ("simulator azure --speed nan", 64, "--speed nan cannot be used"),
    ("simulator azure --start tomorrow", 2, "'tomorrow' is not a date; write 2026-03-29, 2026-03-29T01:59:30Z or"),
    ("simulator azure --start 2026-02-30", 2, "'2026-02-30' is not a date"),
    ("simulator azure --start 0001-01-01T00:00+23:00", 2, "is not a date"),
    ("simulator alibaba --start 9999-12-31", 2, "9999-12-31 is not of the years 1970 to 2999"),
    ("simulator azure --https --key key.pem", 64, "a key without its certificate is of no use"),
    ("simulator azure --cert none.pem", 64, "the certificate in none.pem cannot be used: No such file or directory"),
    ("simulator azure --ca-file text", 64, "text holds no certificate, so it is not overwritten; name another file"),
    ("simulator azure --https-name 'a b'", 64, "no certificate can be made for localhost, "),
    ("simulator azure --machine 'web 0'", 64, "the machine 'web 0' is not of the form NAME[@GROUP][=ADDRESS]"),
    ("simulator azure --port 0 --scenario tornado", 65, "tornado"),
    ("simulate reboot", 2, "Missing option '--machine'"),
    ("simulate flood --machine web-0", 2, "No such command 'flood'"),
    ("simulate reboot --machine web-0 --in later", 2, "'later' is not a length of time"),
    ("simulate reboot --machine web-0 --in 99999d", 2, "99999d is too long"),
    ("simulate reboot --machine web-9 --endpoint {url}", 65, "web-9"),
    ("simulate stop --machine web-0 --endpoint {url}", 65, "Azure has no event with the impact stop; it has freeze,"),
    ("simulate reboot --machine web-0 --native-type Flood --endpoint {url}", 65, "Azure has no event type 'Flood'"),
    ("simulate reboot --machine web-0 --endpoint {dead}", 69, "no simulator answers at {dead}; start one with"),
    ("simulate reboot --machine web-0 --endpoint nowhere", 69, "no simulator answers at nowhere; start one with"),
    ("simulate reboot --machine web-0 --endpoint {page}", 65, "what answers at {page} is not a stormcone simulator"),
    ("simulate cancel nothing --endpoint {url}", 65, "nothing"),
    ("simulate start nothing --endpoint {url}", 65, "nothing"),
    ("simulate complete nothing --endpoint {url}", 65, "nothing"),
    ("simulate complete {event} --outcome well --endpoint {url}", 2, "'well' is not one of 'completed'"),
    ("simulate scenario tornado --endpoint {url}", 65, "tornado"),
    ("simulate scenario ../events --endpoint {url}", 65, "../events"),
]


@pytest.fixture
def world(stormcone: Callable[..., Any], scripted: Any, dead_url: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """What the command lines above name."""
    (tmp_path / "text").write_text("this is no journal, " * 100, encoding="utf-8")
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE ships (name)")
    for _ in range(3):
        scripted.answer(200, b"<html>Welcome</html>")
    with (
        AzureSimulator(["web-0", "web-1"], clock=ManualClock()) as simulator,
        Journal.open(tmp_path / "locked.db"),
        socket.create_server(("127.0.0.1", 0)) as taken,
    ):
        event = simulator.schedule(Impact.REBOOT, resources=["web-0", "web-1"])
        yield {
            "url": simulator.url,
            "dead": dead_url,
            "page": scripted.url,
            "port": taken.getsockname()[1],
            "event": event,
        }
        assert not [request for request in simulator.requests() if request["method"] == "POST"]


@pytest.mark.parametrize(("line", "status", "sentence"), COMMAND_LINES, ids=[line for line, _, _ in COMMAND_LINES])
def test_a_command_line_that_cannot_be_carried_out_is_told_in_a_sentence(
    stormcone: Callable[..., Any], world: dict[str, Any], line: str, status: int, sentence: str
) -> None:
    said = stormcone(*(word.format(**world) if "{" in word else word for word in shlex.split(line)))
    assert said.status == status, said
    *usage, error = said.err.splitlines()
    assert error.startswith("Error: " if status == 2 else "stormcone: ")
    assert sentence.format(**world) in error
    assert bool(usage) == (status == 2)
    assert said.out == ""


HANDLER_FILES = {
    "that is missing": ("missing.py", None, "there is no handler file missing.py; give the path of a Python file"),
    "that fails": ("h.py", "\n\n1 / 0", "h.py cannot be imported: ZeroDivisionError: division by zero (line 3)"),
    "that fails in what it calls": (
        "h.py",
        "import json\njson.loads('')",
        "Expecting value: line 1 column 1 (char 0) (line 2)",
    ),
    "that is no Python": ("h.py", "\ndef f(:", "h.py cannot be imported: SyntaxError: invalid syntax (h.py, line 2)"),
    "that ends the process": ("h.py", "raise SystemExit(3)", "h.py cannot be imported: SystemExit: 3 (line 1)"),
    "of another kind": ("h.txt", "", "h.txt is not a Python file; its name must end in .py"),
    "without an app": ("h.py", "", "h.py has no App called app; write app = App([...]) in it"),
    "with apps of other names": ("h.py", "a = App(); b = App()", "h.py has no App called app; it has a, b; say h.py:a"),
    "asked for another app": ("h.py:b", "app = App()", "h.py has no App called b; it has app; say h.py:app"),
    "whose app is something else": ("h.py", "app = 3", "app in h.py is of type int, not App; write app = App([...])"),
    "with a class for a handler": ("h.py", "app = App([Handler])", "is not a Handler; write Handler() (h.py, line 2)"),
    "with two handlers of one name": (
        "h.py",
        "class A(Handler):\n    def prepare(self, event, context): ...\napp = App([A(), A()])",
        "two handlers are called 'A'; set `name` on one of them (h.py, line 4)",
    ),
    "with a policy that does not exist": ("h.py", "app = App(approve='maybe')", "not 'maybe' (h.py, line 2)"),
}


@pytest.mark.parametrize(("spec", "text", "sentence"), HANDLER_FILES.values(), ids=list(HANDLER_FILES))
def test_a_handler_file_that_cannot_be_used_is_told_with_its_line(
    stormcone: Callable[..., Any], tmp_path: Path, spec: str, text: str | None, sentence: str
) -> None:
    if text is not None:
        uses = "App" in text or "Handler" in text
        head = "from stormcone import App, Handler\n" if uses else ""
        (tmp_path / spec.partition(":")[0]).write_text(head + text, encoding="utf-8")
    said = stormcone("run", spec, "--provider", "azure", "--endpoint", "http://127.0.0.1:1")
    assert (said.status, said.out) == (66, "")
    (error,) = said.err.splitlines()
    assert sentence in error


def test_a_user_without_a_home_is_asked_to_name_a_journal(
    stormcone: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("os.geteuid", lambda: 1000)
    for name in ("XDG_STATE_HOME", "STORMCONE_JOURNAL"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", no_home)
    said = stormcone("history")
    assert said.status == 64
    assert said.err == "stormcone: there is no home folder to keep the journal in; name a file with --journal\n"


class TestTheDemo:
    def test_that_gets_stuck_says_so_and_leaves_nothing_behind(
        self, stormcone: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr("stormcone.cli.director.PATIENCE", 0.01)
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        said = stormcone("demo", "--cloud", "azure")
        assert said.status == 1
        assert "stormcone: the demo got stuck: nothing happened to " in said.err
        assert not list(tmp_path.glob("stormcone-demo-*"))


class TestABrokenPlugIn:
    @pytest.fixture(autouse=True)
    def installed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        info = tmp_path / "site" / "rusty-2.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rusty\nVersion: 2.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("[stormcone.providers]\nrusty = rusty:Rusty\n", encoding="utf-8")
        (tmp_path / "site" / "rusty.py").write_text("import anchor", encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path / "site")

    def test_that_is_asked_for_is_an_error_that_names_its_distribution(self, stormcone: Callable[..., Any]) -> None:
        said = stormcone("events", "--provider", "rusty")
        assert said.status == 78
        assert said.err == (
            "stormcone: the plug-in 'rusty' of rusty 2.0 cannot be used: "
            "ModuleNotFoundError: No module named 'anchor'\n"
        )

    def test_is_listed_beside_those_that_work(self, stormcone: Callable[..., Any]) -> None:
        said = stormcone("providers")
        assert said.status == 0
        assert "provider   azure" in said.out
        assert said.err == ("warning: rusty of rusty 2.0 is broken: ModuleNotFoundError: No module named 'anchor'\n")

    def test_does_not_hide_the_cloud_that_is_there(self, stormcone: Callable[..., Any], simulator: Any) -> None:
        said = stormcone("doctor", "--endpoint", simulator.url)
        assert said.status == 0
        assert "- cloud rusty: not found here: the plug-in of rusty 2.0 is broken" in said.out
        assert "✓ cloud azure: this is web-0" in said.out


class TestAnEndpointThatIsDown:
    def test_is_waited_for_by_an_agent_that_has_worked_before(
        self, stormcone: Callable[..., Any], tmp_path: Path, dead_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Journal.open(tmp_path / "journal.db") as book:
            book.begin_life(ManualClock().now(), Machine(provider="azure", id="1", name="web-0"))
        stop_at_the_first_word(monkeypatch)
        said = stormcone("run", "--on-prepare", "true", "--endpoint", dead_url)
        assert said.status == 0
        *_, first, last = said.out.splitlines()
        assert "unknown          what is scheduled is unknown (never asked with success): " in first
        assert "connection refused" in first
        assert "stopped" in last


def stop_at_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """End `run` as soon as its agent has told something."""
    from stormcone.agent.loop import Agent

    usual = Agent.__init__

    def construct(agent: Agent, *arguments: Any, listener: Any, **options: Any) -> None:
        def hear(notice: Any) -> None:
            listener(notice)
            agent.stop()

        usual(agent, *arguments, listener=hear, **options)

    monkeypatch.setattr(Agent, "__init__", construct)
