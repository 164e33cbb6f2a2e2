"""What can be imported from `stormcone`: enough for providers and embedders, and nothing before it is used."""

import subprocess
import sys

import pytest

import stormcone


@pytest.mark.parametrize("name", stormcone.__all__)
def test_every_public_name_is_there(name):
    assert getattr(stormcone, name).__name__ == name


def test_providers_and_embedders_need_no_other_module():
    agents = {"Agent", "AgentSettings", "InlineExecutor", "Journal", "JournalStore", "Notice", "NoticeKind"}
    providers = {
        "EventKey",
        "Machine",
        "Observation",
        "Provider",
        "ProviderOptions",
        "RequestRefused",
        "Scope",
        "Source",
    }
    assert agents | providers <= set(stormcone.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Agnet'"):
        stormcone.Agnet  # noqa: B018 - the look-up is the test


def test_nothing_is_imported_before_it_is_used():
    code = "import stormcone, sys; print(sorted(name for name in sys.modules if name.startswith('stormcone.')))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
