"""Commands as handlers, with real processes."""

import json
import logging
import os
import shlex
import signal
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone.agent.workers import attempt_stage
from stormcone.clock import ManualClock
from stormcone.errors import SettingsError
from stormcone.handlers import USUAL_LEAD, Stage, programs
from stormcone.handlers.commands import CommandHandler, split_command, variables
from stormcone.handlers.context import Context, control_of
from stormcone.handlers.control import RunControl, Word
from stormcone.model import Machine
from stormcone.rules.runs import Attempt, Verdict


class Lines(logging.Handler):
    """What a command has said, for those who wait for a word of it."""

    def __init__(self):
        super().__init__()
        self.lines = []
        self._said = threading.Condition()

    def emit(self, record):
        with self._said:
            self.lines.append(record.getMessage())
            self._said.notify_all()

    def wait(self):
        """The first line, as soon as there is one."""
        with self._said:
            assert self._said.wait_for(lambda: self.lines, 10)
            return self.lines[0]


@pytest.fixture
def said():
    return Lines()


@pytest.fixture
def context(said):
    log = logging.Logger("command", logging.DEBUG)
    log.addHandler(said)
    control = RunControl(ManualClock(), mark="book/1/2", secrets=("CLOUD_SECRET",))
    return Context(Machine(provider="test", id="1", name="web-0"), 2, logging.LoggerAdapter(log, {}), control)


@pytest.fixture
def run(event, context):
    """Runs a command at prepare, to its end."""

    def run(*words, **changes):
        handler = CommandHandler({Stage.PREPARE: words})
        return attempt_stage(handler, Stage.PREPARE, event(**changes), context)

    return run


@pytest.fixture
def begin(run):
    """Runs a command in a thread; answers what joins it to its attempt."""

    def begin(*words):
        attempts = []
        thread = threading.Thread(target=lambda: attempts.append(run(*words)))
        thread.start()

        def join():
            thread.join(10)
            return attempts[0]

        return join

    return begin


def runs(pid):
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid):
    limit = time.monotonic() + 10
    while runs(pid):
        assert time.monotonic() < limit, f"process {pid} still runs"
        time.sleep(0.005)


def python(code):
    return sys.executable, "-c", code


class TestACommand:
    def test_gets_the_event_on_its_standard_input(self, run, said, event):
        big = {"description": "é" * 200_000}
        run(*python("import json, sys; print(len(json.load(sys.stdin.buffer)['description']))"), **big)
        assert said.lines == ["200000"]

    def test_gets_the_event_in_its_environment(self, run, said):
        code = "import json, os; print(json.dumps({k: v for k, v in os.environ.items() if 'STORMCONE' in k}, indent=0))"
        run(*python(code), resources=("web-0", "db-0"), duration=timedelta(seconds=5), cause="user")
        assert json.loads("".join(said.lines)) == {
            "STORMCONE_STAGE": "prepare",
            "STORMCONE_EVENT_ID": "E-1",
            "STORMCONE_PROVIDER": "test",
            "STORMCONE_IMPACT": "reboot",
            "STORMCONE_CAUSE": "user",
            "STORMCONE_PHASE": "scheduled",
            "STORMCONE_OUTCOME": "",
            "STORMCONE_RESOURCES": "web-0,db-0",
            "STORMCONE_RESOURCES_LEFT_OUT": "0",
            "STORMCONE_RUN": "book/1/2",
            "STORMCONE_NOT_BEFORE": "2026-01-01T00:15:00+00:00",
            "STORMCONE_DURATION_SECONDS": "5",
            "STORMCONE_DEADLINE": "",
            "STORMCONE_ATTEMPT": "2",
            "STORMCONE_MACHINE": "web-0",
            "STORMCONE_OTHER_EVENTS": "",
        }

    def test_gets_the_other_events_of_its_machine(self, event, context):
        context.others = (event(id="E-2"), event(id="E-3"))
        assert variables(Stage.RECOVER, event(), context)["STORMCONE_OTHER_EVENTS"] == "E-2,E-3"
        context.others = tuple(event(id=f"E-{number}" * 100) for number in range(10_000))
        given = variables(Stage.RECOVER, event(), context)["STORMCONE_OTHER_EVENTS"]
        assert given.split(",") == [other.id for other in context.others][: given.count(",") + 1]

    def test_gets_no_nul_in_its_environment(self, run, event, context):
        assert run("true", id="a\0b") == Attempt(Verdict.SUCCEEDED)
        assert variables(Stage.PREPARE, event(id="a\0b"), context)["STORMCONE_EVENT_ID"] == "ab"

    def test_is_words_and_no_shell_line(self, run, said):
        run("echo", "$HOME; echo `date`", "*")
        assert said.lines == ["$HOME; echo `date` *"]

    def test_keeps_the_environment_of_the_agent(self, run, said, monkeypatch):
        monkeypatch.setenv("OURS", "kept")
        run("sh", "-c", "echo $OURS")
        assert said.lines == ["kept"]

    def test_gets_the_clouds_credentials_only_where_that_is_said(self, event, context, said, monkeypatch):
        monkeypatch.setenv("CLOUD_SECRET", "hush")
        for told in (False, True):
            handler = CommandHandler({Stage.PREPARE: ["sh", "-c", "echo ${CLOUD_SECRET:-none}"]}, credentials=told)
            attempt_stage(handler, Stage.PREPARE, event(), context)
        assert said.lines == ["none", "hush"]

    def test_prepares_an_hour_ahead_or_as_long_as_that_is_said(self):
        words = {Stage.PREPARE: ["true"]}
        assert [CommandHandler(words).lead, CommandHandler(words, lead=None).lead] == [USUAL_LEAD, None]

    def test_of_an_event_with_thousands_of_machines_gets_as_many_names_as_fit_and_all_on_its_input(self, run, said):
        names = tuple(f"machine-{number:05}" for number in range(40_000))
        code = (
            "import json, os, sys; named = os.environ['STORMCONE_RESOURCES'].split(',');"
            "print(len(named) + int(os.environ['STORMCONE_RESOURCES_LEFT_OUT']), named[-1] in"
            " json.load(sys.stdin)['resources'], len(named) > 500)"
        )
        assert run(*python(code), resources=names, id="x" * 200_000).verdict is Verdict.SUCCEEDED
        assert said.lines == ["40000 True True"]

    def test_belongs_to_its_stage_alone(self):
        handler = CommandHandler({Stage.RECOVER: ["true"]})
        assert [stage for stage in Stage if handler.has(stage)] == [Stage.RECOVER]

    @pytest.mark.parametrize("stage", Stage)
    def test_can_be_given_for_every_stage(self, event, context, said, stage):
        handler = CommandHandler({stage: ["sh", "-c", "echo $STORMCONE_STAGE"]})
        assert attempt_stage(handler, stage, event(), context) == Attempt(Verdict.SUCCEEDED)
        assert said.lines == [stage]


class TestItsExitStatus:
    @pytest.mark.parametrize(
        ("script", "attempt"),
        [
            ("exit 0", Attempt(Verdict.SUCCEEDED)),
            ("exit 75", Attempt(Verdict.RETRY, "sh asked to be tried again (exit status 75)")),
            ("exit 1", Attempt(Verdict.GAVE_UP, "sh failed with exit status 1")),
            ("echo why; exit 3", Attempt(Verdict.GAVE_UP, "sh failed with exit status 3: why")),
            (
                "echo out; echo why >&2; exit 75",
                Attempt(Verdict.RETRY, "sh asked to be tried again (exit status 75): why"),
            ),
            ("kill -SEGV $$", Attempt(Verdict.RETRY, "sh was ended by SIGSEGV")),
            ("kill -40 $$", Attempt(Verdict.RETRY, "sh was ended by signal 40")),
        ],
    )
    def test_says_how_it_went(self, run, script, attempt):
        assert run("sh", "-c", script) == attempt

    def test_cannot_come_from_a_program_that_has_gone_since_the_start(self, event, context, tmp_path):
        program = tmp_path / "drain"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        handler = CommandHandler({Stage.PREPARE: [str(program)]})
        program.unlink()
        attempt = attempt_stage(handler, Stage.PREPARE, event(), context)
        assert attempt.verdict is Verdict.GAVE_UP
        assert attempt.note.startswith(f"the command {str(program)!r} cannot be started: ")


class TestItsOutput:
    @pytest.mark.parametrize(
        ("script", "lines"),
        [
            (r"printf 'one\n\n two \r\nthree'", ["one", "two", "three"]),
            (r"printf '\033[31mred\033[0m\n'", ["[31mred [0m"]),
            (r"printf '\377\376\000x\n'", ["�� x"]),
            ("echo err >&2", ["err"]),
        ],
    )
    def test_goes_to_the_log_in_printable_lines(self, run, said, script, lines):
        run("sh", "-c", script)
        assert said.lines == lines

    def test_without_an_end_of_line_is_taken_in_pieces(self, run, said):
        run(*python("import sys; sys.stdout.write('x' * 1_000_000)"))
        assert len(said.lines) > 10
        assert all(len(line) <= 500 for line in said.lines)

    def test_of_a_hundred_megabytes_is_read_to_its_end_and_cut_in_the_log(self, run, said):
        lines = "import sys\nfor _ in range(1000): sys.stdout.write(('x' * 199 + '\\n') * 500)\n"
        assert run(*python(f"{lines}print('the end')\nsys.exit(1)")).note.endswith("failed with exit status 1: the end")
        assert sum(map(len, said.lines)) < 2 * programs.LOGGED
        assert said.lines[-1].endswith("lines were not logged; the last one: the end")


class TestACommandThatIsAskedToEnd:
    def test_ends_with_what_has_left_its_session(self, begin, context, said):
        join = begin("sh", "-c", "setsid sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & wait")
        child = int(said.wait())
        control_of(context).stop()
        assert join().verdict is Verdict.CUT_OFF
        wait_for_end(child)

    def test_leaves_alone_what_has_another_mark(self, begin, context, said):
        join = begin("sh", "-c", "STORMCONE_RUN=book/1/21 setsid sh -c 'echo $$; exec sleep 60' & wait")
        child = int(said.wait())
        control_of(context).stop()
        join()
        assert runs(child)
        os.kill(child, signal.SIGKILL)

    def test_gets_sigterm_at_once_when_the_agent_stops(self, begin, context, said):
        join = begin("sh", "-c", "trap 'echo cleaned; exit 3' TERM; echo ready; while :; do sleep 0.01; done")
        said.wait()
        control_of(context).tell(Word.STOPPING)
        attempt = join()
        assert attempt.verdict is Verdict.CUT_OFF
        assert "was told to end and did, with exit status 3: cleaned" in attempt.note

    def test_gets_sigterm_with_all_that_it_started(self, begin, context, said):
        join = begin("sh", "-c", "sleep 60 & echo $!; wait")
        child = int(said.wait())
        control_of(context).stop()
        assert join() == Attempt(Verdict.CUT_OFF, f"its time was up: sh was ended by SIGTERM: {child}")
        wait_for_end(child)

    def test_may_still_clean_up(self, begin, context, said):
        join = begin("sh", "-c", "trap 'echo cleaned; exit 0' TERM; echo ready; while :; do sleep 0.01; done")
        said.wait()
        control_of(context).stop()
        assert join() == Attempt(Verdict.CUT_OFF, "its time was up")
        assert said.lines[-1] == "cleaned"

    def test_and_does_not_gets_sigkill(self, begin, context, said):
        join = begin("sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait")
        child = int(said.wait())
        control_of(context).stop()
        assert runs(child)
        control_of(context).tell(Word.KILL)
        assert join() == Attempt(Verdict.CUT_OFF, f"its time was up: sh was ended by SIGKILL: {child}")
        wait_for_end(child)

    def test_leaves_no_child_that_does_not_listen(self, begin, context, said):
        join = begin("sh", "-c", "sh -c 'trap \"\" TERM; echo $$; exec sleep 60' & wait")
        child = int(said.wait())
        control_of(context).stop()
        assert join().note.startswith("its time was up: sh was ended by SIGTERM")
        wait_for_end(child)

    def test_before_it_began_ends_at_once(self, run, context):
        control_of(context).stop()
        assert run("sleep", "60").verdict is Verdict.CUT_OFF

    def test_when_it_is_over_signals_nobody(self, run, context, caplog):
        run("true")
        control_of(context).stop()
        control_of(context).tell(Word.KILL)
        assert caplog.records == []


def test_a_command_that_leaves_a_process_behind_is_over_all_the_same(run, said, monkeypatch):
    monkeypatch.setattr(programs, "_LAST_WORDS_SECONDS", 0.05)
    before = threading.active_count()
    assert run("sh", "-c", "sleep 60 & echo $!") == Attempt(Verdict.SUCCEEDED)
    left = int(said.wait())
    assert runs(left)
    os.kill(left, signal.SIGKILL)
    while threading.active_count() > before:  # its reader ends with the pipe
        time.sleep(0.005)


class TestAProgramThatIgnoresItsChildren:
    """A parent that ignores SIGCHLD hands that on, and the system keeps no exit status then."""

    @pytest.fixture(autouse=True)
    def _ignores(self):
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        yield
        signal.signal(signal.SIGCHLD, before)

    def test_is_told_to_listen_when_a_handler_of_commands_is_made(self, run):
        assert run("true") == Attempt(Verdict.SUCCEEDED)
        assert run("false").verdict is Verdict.GAVE_UP

    def test_and_goes_on_doing_so_has_it_said(self, event, context):
        handler = CommandHandler({Stage.PREPARE: ["true"]})
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        attempt = attempt_stage(handler, Stage.PREPARE, event(), context)
        assert attempt.verdict is Verdict.GAVE_UP
        assert "this program ignores SIGCHLD" in attempt.note


class TestTheWordsOfACommand:
    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("drain --now", ["drain", "--now"]),
            ("sh -c 'a b; c'", ["sh", "-c", "a b; c"]),
            ('"/my path/x" ""', ["/my path/x", ""]),
        ],
    )
    def test_are_split_by_the_rules_of_quotes(self, text, words):
        assert split_command(text) == words

    @pytest.mark.parametrize(
        ("text", "sign"),
        [
            ('echo "set server b/web0 state drain" | socat stdio /run/haproxy/admin.sock', "|"),
            ("drain && sync", "&"),
            ("drain & ", "&"),
            ("drain; sync", ";"),
            ("drain < list", "<"),
            ("drain > /dev/null", ">"),
            ("drain $HOSTNAME", "$"),
            ('drain "$HOSTNAME"', "$"),
            ('drain "`hostname`"', "`"),
            ("drain `hostname`", "`"),
            ("drain (now)", "("),
            ("drain )", ")"),
            ("drain *.conf", "*"),
            ("~/drain.sh", "~"),
            ("drain ~root", "~"),
            ("drain # softly", "#"),
            ("drain\nsync", "\\n"),
            (r"drain \\$HOME", "$"),
            (r'echo "\$HOME"', r"\\$"),
        ],
    )
    def test_have_no_sign_that_only_a_shell_understands(self, text, sign):
        with pytest.raises(SettingsError) as caught:
            split_command(text)
        said = str(caught.value)
        assert said.startswith(f"no shell runs the command, so '{sign}' would only be text to it; write sh -c ")
        suggestion = shlex.split(said.partition("write ")[2].rpartition(", or put")[0])
        assert suggestion == ["sh", "-c", text]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("echo 'a | b; $HOME `x` *'", ["echo", "a | b; $HOME `x` *"]),
            ('echo "a | b; (c) * ~"', ["echo", "a | b; (c) * ~"]),
            (r"echo a\|b \$x", ["echo", "a|b", "$x"]),
            ("mv conf~ conf#1", ["mv", "conf~", "conf#1"]),
            ("curl http://lb/?drain=web-0", ["curl", "http://lb/?drain=web-0"]),
        ],
    )
    def test_may_have_it_quoted(self, text, words):
        assert split_command(text) == words

    @pytest.mark.parametrize(("text", "error"), [("", "is empty"), ("  ", "is empty"), ("'x", "cannot be read: ")])
    def test_must_be_there(self, text, error):
        with pytest.raises(SettingsError, match=error):
            split_command(text)

    def test_begin_with_a_program_that_is_there(self, tmp_path):
        def script(name, text):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
            return str(tmp_path / name)

        (tmp_path / "text").write_text("x")
        for word, why in (
            ("no-such-program-anywhere", "there is no program no-such-program-anywhere on the PATH; give its whole"),
            (str(tmp_path / "none"), "there is no program"),
            (str(tmp_path / "text"), "is not executable; chmod"),
            (str(tmp_path), "is a folder"),
            (script("bare", "echo x\n"), "is a text without a first line such as #!/bin/sh"),
            (script("gone", "#!/no/such/python -u\n"), "names no program that is there: /no/such/python"),
            (script("nothing", ""), "is empty"),
        ):
            with pytest.raises(SettingsError, match=f"the command for prepare cannot be run: .*{why}"):
                CommandHandler({Stage.PREPARE: [word]})

    def test_must_be_there_for_every_stage_that_is_given(self):
        with pytest.raises(SettingsError, match="the command for started is empty"):
            CommandHandler({Stage.PREPARE: ["true"], Stage.STARTED: []})
