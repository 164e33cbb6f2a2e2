"""Which clouds the demo shows."""

import sys

import pytest


@pytest.fixture
def no_sdk(monkeypatch):
    """As where stormcone was installed without the extra `alibaba`."""
    monkeypatch.setitem(sys.modules, "aliyunsdkcore.client", None)


@pytest.fixture
def played(monkeypatch):
    """The clouds that are shown, without the shows."""
    shown = []

    def play(cloud, _journal, _teller):
        shown.append(cloud)
        return [f"stormcone simulator {cloud}"]

    monkeypatch.setattr("stormcone.cli.commands.demo._play", play)
    return shown


def test_all_clouds_are_shown(stormcone, played):
    said = stormcone("demo")
    assert (said.status, said.err, played) == (0, "", ["alibaba", "aws", "azure", "google"])
    assert "Not shown" not in said.out


def test_without_an_sdk_the_others_are_shown_and_one_line_says_how_to_see_that_one(stormcone, played, no_sdk):
    said = stormcone("demo")
    assert (said.status, said.err, played) == (0, "", ["aws", "azure", "google"])
    (line,) = [line for line in said.out.splitlines() if "Not shown" in line]
    assert line.startswith("Not shown is alibaba: ")
    assert line.endswith("run pip install stormcone[alibaba].")


def test_a_cloud_that_was_asked_for_and_cannot_be_shown_is_an_error(stormcone, played, no_sdk):
    said = stormcone("demo", "--cloud", "alibaba")
    assert (said.status, played) == (69, [])
    assert said.err.endswith("run pip install stormcone[alibaba]\n")


class TestTheDemoOfAFleet:
    def test_without_a_server_one_sentence_says_what_to_install(self, stormcone, monkeypatch):
        pytest.importorskip("psycopg")
        monkeypatch.setattr("stormcone.postgresql.server.programs", lambda: None)
        said = stormcone("demo", "fleet")
        assert said.status == 78
        assert (
            said.err == "stormcone: there is no PostgreSQL server on this machine; install it: apt install postgresql\n"
        )

    def test_without_the_driver_too(self, stormcone, monkeypatch):
        monkeypatch.setitem(sys.modules, "stormcone.fleet.postgresql", None)
        said = stormcone("demo", "fleet")
        assert said.status == 78
        assert said.err.endswith("pip install 'stormcone[fleet]'\n")

    def test_with_a_cloud_is_refused(self, stormcone, played):
        said = stormcone("demo", "--cloud", "azure", "fleet")
        assert (said.status, played) == (2, [])
        assert "--cloud is for the story of one machine; leave it out" in said.err
