"""The faults that `chaos/put_back.py` puts back: each still fits the source, and names what finds it."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", autouse=True)
def modules():
    """The attack's modules, which stand beside one another."""
    sys.path.insert(0, str(ROOT / "chaos"))
    yield
    sys.path.remove(str(ROOT / "chaos"))


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    from put_back import copy_to

    return copy_to(tmp_path_factory.mktemp("copy"))


def test_each_fits_the_source_and_changes_it(copy):
    from put_back import faults

    for fault in faults():
        files = {name: (copy / name).read_text() for name in (fault.file, *(each[0] for each in fault.also))}
        fault.put_into(copy)
        assert (copy / fault.file).read_text() != files[fault.file], fault.name
        compile((copy / fault.file).read_text(), fault.file, "exec")
        for name, text in files.items():
            (copy / name).write_text(text)


def test_one_that_does_not_fit_any_more_is_told(copy):
    from put_back import Fault

    with pytest.raises(ValueError, match="write the fault anew"):
        Fault(name="", file="core/stormcone/text.py", before="what is not there", after="").put_into(copy)


def test_each_is_found_by_a_rule_that_there_is_or_by_tests_that_there_are():
    from checker import RULES
    from fleet.rules import RULES as OF_A_FLEET
    from put_back import faults

    names = {rule.__name__ for rule in (*RULES, *OF_A_FLEET)}
    assert len({fault.name for fault in faults()}) == len(faults())
    for fault in faults():
        assert fault.rule or fault.tests, fault.name
        assert not fault.rule or fault.rule in names, fault.name
        assert all((ROOT / test.partition("::")[0]).exists() for test in fault.tests.split()), fault.name
