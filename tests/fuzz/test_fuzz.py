"""The fuzzer finds nothing in a few thousand documents and requests, and finds what there is to find."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"

BROKEN = """
import sys
sys.path.insert(0, {folder!r})
import documents, fuzz
sound = documents.azure.read_document
def broken(body):
    seen = sound(body)
    {fault}
    return seen
documents.azure.read_document = broken
sys.exit(fuzz.main())
"""


def fuzz(*arguments, program=None):
    command = [sys.executable, *(["-c", program] if program else [str(FUZZ / "fuzz.py")]), "--seed", "1", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.mark.parametrize("cloud", ["azure", "alibaba", "aws", "google"])
def test_a_few_thousand_documents_and_requests_find_no_fault(cloud):
    done = fuzz("--cloud", cloud, "--documents", "2000", "--requests", "1000")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("seed 1\n")
    assert f"{cloud}: 2000 documents, no fault" in done.stdout
    assert f"{cloud}: 1000 requests, no fault" in done.stdout


def test_a_few_thousand_messages_find_no_fault():
    done = fuzz("--cloud", "aws-queue", "--documents", "2000")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "aws-queue: 2000 documents, no fault" in done.stdout


@pytest.mark.parametrize("service", ["aws-region", "aws-messages"])
def test_fifty_answers_through_the_sdk_find_no_fault(service):
    done = fuzz("--cloud", service, "--answers", "50")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert f"{service}: 50 answers, no fault" in done.stdout


FAULTS = {
    "a crash": ("seen.problems and [][0]", "IndexError"),
    "a hang": ("while seen.problems: pass", "more than 1 s of processor time"),
    "a refusal": ("if seen.problems: sound(b'')", "it is a document, and was refused"),
    "an event that is lost": ("seen = seen if not seen.problems else type(seen)(problems=seen.problems)", "is lost"),
    "an event that is read otherwise": (
        "if seen.problems: seen = type(seen)(events=(*(e.but(impact='none') for e in seen.events),), problems='x')",
        "was left as it was and is read otherwise",
    ),
}


ON_SINGLE_DOCUMENTS = """
import sys
sys.path.insert(0, {folder!r})
import fuzz, singles
sound = singles.read_key
def broken(key, answer, context):
    found = sound(key, answer, context)
    {fault}
    return found
singles.read_key = broken
sys.exit(fuzz.main())
"""


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("if answer.body[:2] == bytes((123, 10)): [][0]", "IndexError"),
        ("if not found.event: found = found._replace(whole=False, problems=())", "nothing is said of that"),
        # As it is written on several lines, which what is read first is not.
        ("if answer.body[:2] == bytes((123, 10)): found = found._replace(event=None)", "read otherwise"),
    ],
    ids=["a crash", "silence", "an event that is lost"],
)
def test_it_finds_what_is_wrong_with_a_document_that_says_one_thing(broken, words):
    program = ON_SINGLE_DOCUMENTS.format(folder=str(FUZZ), fault=broken)
    found = fuzz("--cloud", "google", "--documents", "1000", "--requests", "0", program=program)
    assert found.returncode == 1, found.stderr
    assert re.search(words, found.stdout)


@pytest.mark.parametrize("fault", FAULTS)
def test_it_finds_and_can_repeat(fault):
    broken, words = FAULTS[fault]
    program = BROKEN.format(folder=str(FUZZ), fault=broken)
    found = fuzz("--cloud", "azure", "--documents", "1000", "--requests", "0", program=program)
    assert found.returncode == 1, found.stderr
    assert re.search(words, found.stdout)
    repeat = found.stdout.strip().rpartition("--only ")[2]
    again = fuzz("--cloud", "azure", "--only", repeat, program=program)
    assert again.stdout == found.stdout


ON_THE_REST = """
import sys
sys.path.insert(0, {folder!r})
import fuzz
{fault}
sys.exit(fuzz.main())
"""


@pytest.mark.parametrize(
    ("broken", "arguments", "words"),
    [
        (
            "from stormcone_simulators.aws.api import errors; errors.xml_text = str",
            ("aws", "--documents", "0", "--requests", "3000"),
            "it is refused in no way of the cloud's",
        ),
        (
            "import stormcone_aws.instance_status as read; read.read_time = lambda value: {}[value]",
            ("aws-region", "--answers", "300"),
            "KeyError",
        ),
    ],
    ids=["a refusal of no kind", "a crash"],
)
def test_it_finds_what_is_wrong_with_requests_and_answers(broken, arguments, words):
    found = fuzz("--cloud", *arguments, program=ON_THE_REST.format(folder=str(FUZZ), fault=broken))
    assert found.returncode == 1, found.stderr
    assert words in found.stdout
