"""The unit that `stormcone install --systemd` writes, as systemd itself judges it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pytest

from stormcone.agent.settings import GRACE
from stormcone.cli import LAST_WORDS, LEFT_BEHIND, cli
from stormcone.errors import PluginError, SettingsError
from stormcone.rules.runs import STOP_GRACE
from stormcone.service.unit import HEADER, STOP_SECONDS, drop_in_text, hidden, quoted, unit_text

MOST_EXPOSURE = 2.0
"""Of ten, as `systemd-analyze security` counts it; below 5 it is called OK."""

analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")


def analysed(*words, cwd):
    return subprocess.run(["systemd-analyze", *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def warned():
    """What `install` says of the program and the Python that the tests run by, of each that no service can see."""
    cure = "install stormcone, and its Python, in /opt/stormcone, for example"
    found = {
        path: hidden(path) for path in (Path(sys.executable).with_name("stormcone"), Path(sys.executable).resolve())
    }
    return "".join(f"warning: the service cannot see {path}: {why}; {cure}\n" for path, why in found.items() if why)


@pytest.fixture(params=[None, "root"], ids=["a user of its own", "root"])
def unit(request, tmp_path):
    """A unit in a folder, with a program that is there, and its drop-in with every line in force."""
    path = tmp_path / "stormcone.service"
    path.write_text(
        unit_text([sys.executable, "-m", "stormcone", "run", "/etc/stormcone/handlers 1.py"], request.param)
    )
    return path


class TestSystemdsJudgement:
    @analyze
    def test_it_is_well_made(self, unit):
        done = analysed("verify", "./stormcone.service", cwd=unit.parent)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @analyze
    def test_the_drop_in_is_too_with_every_suggestion_in_force(self, unit):
        folder = unit.with_name("stormcone.service.d")
        folder.mkdir()
        text = re.sub(r"^#(?=[A-Z]\w+=)", "", drop_in_text(), flags=re.MULTILINE)
        assert text != drop_in_text()
        (folder / "handlers.conf").write_text(text)
        done = analysed("verify", "./stormcone.service", cwd=unit.parent)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    @analyze
    def test_its_exposure_is_low(self, unit, record_property):
        done = analysed("security", "--offline=true", "--no-pager", "./stormcone.service", cwd=unit.parent)
        found = re.search(r"Overall exposure level for stormcone.service: ([\d.]+)", done.stdout)
        assert found, done.stdout + done.stderr
        record_property("exposure", found[1])
        assert float(found[1]) <= MOST_EXPOSURE


class TestTheUnit:
    def test_gives_the_agent_longer_to_stop_than_it_takes(self):
        takes = GRACE.total_seconds() + STOP_GRACE.total_seconds() + LAST_WORDS + LEFT_BEHIND
        assert 2 * takes < STOP_SECONDS
        assert f"\nTimeoutStopSec={STOP_SECONDS}\n" in unit_text(["/bin/stormcone"])

    def test_is_not_started_again_where_that_does_not_help(self):
        (statuses,) = re.findall(r"^RestartPreventExitStatus=(.*)$", unit_text(["/bin/stormcone"]), re.MULTILINE)
        for code in (SettingsError.exit_code, PluginError.exit_code, 2, 66):
            assert str(code) in statuses.split()

    @pytest.mark.parametrize(
        ("word", "written"),
        [
            ("/etc/stormcone/handlers.py", "/etc/stormcone/handlers.py"),
            ("100%", "100%%"),
            ("$HOME", "$$HOME"),
            ("a b", '"a b"'),
            ('say "x"', '"say \\"x\\""'),
            ("back\\slash", '"back\\\\slash"'),
            ("two\nlines", '"two\\nlines"'),
            ("", '""'),
            (";", '";"'),
        ],
    )
    def test_has_each_word_of_the_command_as_it_is(self, word, written):
        assert quoted(word) == written


class TestInstalling:
    def test_writes_the_unit_and_a_drop_in(self, home):
        folder = home.folder / "units"
        done = home.run("install", "--systemd", "--directory", folder, "--", "/etc/h.py", "--provider", "azure")
        assert (done.returncode, done.stderr) == (0, warned())
        unit = (folder / "stormcone.service").read_text()
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        assert command.endswith(" run /etc/h.py --provider azure")
        program, name, *words = command.split()
        assert (Path(program).is_absolute(), Path(program).name) == (True, "stormcone")
        cli.get_command(click.Context(cli), name).make_context(name, words)  # it takes them
        assert (folder / "stormcone.service.d" / "handlers.conf").read_text() == drop_in_text()
        assert "systemctl daemon-reload && systemctl enable --now stormcone" in done.stdout

    def test_prints_it_and_writes_nothing(self, home):
        folder = home.folder / "units"
        done = home.run("install", "--systemd", "--print", "--user", "root", "--directory", folder)
        assert (done.returncode, done.stderr) == (0, warned())
        assert done.stdout.startswith(HEADER)
        assert "\nUser=root\n" in done.stdout
        assert "DynamicUser" not in done.stdout
        assert not folder.exists()

    def test_replaces_its_own_unit_and_keeps_the_drop_in(self, home):
        folder = home.folder / "units"
        for words in (["one.py"], ["two.py"]):
            assert home.run("install", "--systemd", "--directory", folder, "--", *words).returncode == 0
            drop_in = folder / "stormcone.service.d" / "handlers.conf"
            drop_in.write_text("# mine\n") if words == ["one.py"] else None
        assert "two.py" in (folder / "stormcone.service").read_text()
        assert drop_in.read_text() == "# mine\n"

    def test_leaves_somebody_elses_unit_alone(self, home):
        folder = home.folder / "units"
        folder.mkdir()
        (folder / "stormcone.service").write_text("[Service]\nExecStart=/bin/other\n")
        done = home.run("install", "--systemd", "--directory", folder)
        assert done.returncode == 1
        assert "was not written by stormcone; move it away" in done.stderr

    @pytest.mark.parametrize(
        ("path", "by"),
        [
            ("/root/venv/bin/stormcone", "ProtectHome"),
            ("/home/me/.venv/bin/stormcone", "ProtectHome"),
            ("/tmp/venv/bin/stormcone", "PrivateTmp"),  # noqa: S108
            ("/opt/stormcone/bin/stormcone", ""),
            ("/rooted/bin/stormcone", ""),
        ],
    )
    def test_knows_what_the_service_cannot_see(self, path, by):
        assert by in hidden(Path(path))
        assert bool(hidden(Path(path))) is bool(by)
        assert not by or f"\n{by}=yes\n" in unit_text(["stormcone"])

    def test_warns_of_a_program_that_the_service_cannot_see(self, home, monkeypatch):
        with TemporaryDirectory(dir="/tmp") as folder:
            link = Path(folder, "python")
            link.symlink_to(sys.executable)
            words = [str(link), "-m", "stormcone", "install", "--systemd", "--print"]
            env = {**home.env, "PYTHONPATH": ":".join(filter(None, sys.path))}
            done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert f"\nExecStart={link} -m stormcone run\n" in done.stdout
        assert f"warning: the service cannot see {link}: the unit hides /tmp from it (PrivateTmp)" in done.stderr

    def test_refuses_a_user_that_is_not_there(self, home):
        done = home.run("install", "--systemd", "--print", "--user", "nobody-of-that-name")
        assert done.returncode == 64
        assert "there is no user 'nobody-of-that-name' on this machine" in done.stderr
