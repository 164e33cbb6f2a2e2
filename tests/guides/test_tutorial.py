"""The tutorial, followed to the letter: red where it says red, green where it says green, with what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples" / "failover"


def follow(blocks, folder):
    """Write what is to be written and run what is to be run; pairs of an output and the text that the page shows."""
    environment = {**os.environ, "PYTEST_ADDOPTS": "-p no:cacheprovider", "COLUMNS": "300"}
    ran, pairs = None, []
    for block in blocks:
        if block.file:
            (folder / block.file).write_text(block.text)
        elif block.text == "pytest\n":
            ran = subprocess.run(
                [sys.executable, "-m", "pytest"],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
        elif block.kind == "text":
            pairs.append((ran, block.text))
    return pairs


@pytest.fixture(scope="module", params=["in the checkout", "elsewhere"])
def red_and_green(request, guide, tmp_path_factory):
    if request.param == "elsewhere":
        yield follow(guide("tutorial.md"), tmp_path_factory.mktemp("harbour"))
        return
    with TemporaryDirectory(prefix=".harbour-", dir=EXAMPLES.parents[1]) as folder:
        yield follow(guide("tutorial.md"), Path(folder))


def test_the_first_run_fails_and_says_what_the_page_says(red_and_green):
    (ran, text), _ = red_and_green
    assert ran.returncode == 1, ran.stdout
    shown = [line.strip() for line in text.splitlines() if line.strip()]
    assert len(shown) == 4
    for line in shown:
        assert line in ran.stdout


def test_the_second_run_passes(red_and_green):
    _, (ran, text) = red_and_green
    assert ran.returncode == 0, ran.stdout
    assert text.strip() in ran.stdout


def test_it_walks_through_the_whole_example_suite(guide):
    page = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text("utf-8")
    shown = set(re.findall(r":pyobject: (test_\w+)", page)) | set(re.findall(r"def (test_\w+)", page))
    tests = set(re.findall(r"^def (test_\w+)", (EXAMPLES / "test_maintenance.py").read_text("utf-8"), re.MULTILINE))
    assert shown == tests
