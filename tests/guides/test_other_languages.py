"""The programs of the page on other languages, tested as the page says."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[2] / "examples" / "other_languages"
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def run(*command):
    return subprocess.run(command, cwd=PROGRAMS, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed")
def test_the_shell_program_passes_its_test():
    done = run("sh", "./test_drain.sh")
    assert (done.returncode, done.stdout) == (0, "ok\n"), done.stderr


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_node_program_passes_its_test():
    version = run("node", "--version").stdout.strip()
    if int(version.removeprefix("v").partition(".")[0]) < 18:
        pytest.skip(f"node is {version}, and its test runner came with v18")
    done = run("node", "--test")
    assert done.returncode == 0, done.stdout
    assert "# pass 2" in done.stdout


def test_every_program_is_on_the_page():
    page = (PROGRAMS.parents[1] / "docs" / "other-languages.md").read_text("utf-8")
    for program in PROGRAMS.iterdir():
        assert program.is_dir() or f"examples/other_languages/{program.name}" in page
