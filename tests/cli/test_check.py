"""`stormcone check`: what a handler file does, without a cloud."""

import textwrap
from typing import Any

import pytest

FILE = """
    from datetime import timedelta
    from stormcone import App, Handler, Impact, Cause

    class Queue(Handler):
        impacts = {Impact.REBOOT, Impact.REDEPLOY}
        causes = {Cause.MAINTENANCE}
        lead = timedelta(minutes=10)
        timeout = timedelta(minutes=5)
        retries = 2
        def prepare(self, event, context): ...
        def recover(self, event, context): ...

    app = App([Queue()], leader="first", standby="web-1", approve_consent=True)

    @app.started
    def watch(event, context): ...
"""


QUEUE = (
    "Queue: prepare, recover; impacts reboot, redeploy; causes maintenance; prepares 10 min ahead; timeout 5 min; "
    "retries 2"
)
APPROVAL = (
    "approval: once every prepare has succeeded; for neighbours too where first leads; "
    "web-1 stands by, 5 min later; consent is given"
)


def test_says_what_each_handler_takes_and_what_approves(stormcone: Any, tmp_path: Any) -> None:
    (tmp_path / "h.py").write_text(textwrap.dedent(FILE))
    said = stormcone("check", "h.py")
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == [
        QUEUE,
        "watch: started; impacts all but none",
        APPROVAL,
    ]


def test_says_so_where_nothing_will_ever_be_approved(stormcone: Any, tmp_path: Any) -> None:
    (tmp_path / "h.py").write_text(
        "from stormcone import App\napp = App()\n@app.recover\ndef report(event, context): ...\n"
    )
    assert stormcone("check", "h.py").out.splitlines()[-1] == "approval: never, since no handler prepares"


def test_says_it_to_programs(stormcone: Any, tmp_path: Any) -> None:
    (tmp_path / "h.py").write_text(textwrap.dedent(FILE))
    document = stormcone("check", "h.py", "--json").json
    assert document["handlers"][0] == {
        "name": "Queue",
        "stages": ["prepare", "recover"],
        "impacts": ["reboot", "redeploy"],
        "causes": ["maintenance"],
        "tentative": False,
        "lead_seconds": 600.0,
        "timeout_seconds": 300.0,
        "retries": 2,
    }


def test_a_mistake_is_one_sentence_also_to_programs(stormcone: Any, tmp_path: Any) -> None:
    import json

    (tmp_path / "h.py").write_text("from stormcone import App\napp = App()\n")
    said = stormcone("check", "h.py", "--json")
    assert (said.status, said.out) == (66, "")
    assert json.loads(said.err) == {
        "error": "the app in h.py has no handlers, so nothing would be done; write App([...])",
        "exit_status": 66,
    }


CONFIGURATION = """
[commands.drain]
prepare = "true"
lead = "10m"
[commands.note]
started = "true | cat"
shell = true
[[rules]]
impacts = ["freeze"]
shorter_than = "10s"
handlers = "none"
[[rules]]
causes = ["preemption"]
handlers = ["drain"]
lead = "announced"
"""


def test_without_a_file_it_is_what_the_configuration_says(stormcone: Any, tmp_path: Any) -> None:
    file = tmp_path / "stormcone.toml"
    file.write_text(CONFIGURATION)
    said = stormcone("check", "--config", file)
    assert (said.status, said.err) == (0, "")
    assert said.out.splitlines() == [
        "drain: prepare; impacts all but none; prepares 10 min ahead",
        "note: started; impacts all but none; a shell runs started",
        "rule 1: impacts freeze; shorter than 10 s: nobody",
        "rule 2: impacts all; causes preemption: drain, as soon as announced",
        "approval: once every prepare has succeeded",
        "provider: auto",
    ]
    first, second = stormcone("check", "--config", file, "--json").json["rules"]
    assert (first["shorter_than_seconds"], first["handlers"], first["lead"]) == (10.0, [], None)
    assert (second["causes"], second["handlers"], second["lead"]) == (["preemption"], ["drain"], "announced")


def test_with_neither_it_says_what_is_missing(stormcone: Any) -> None:
    said = stormcone("check")
    assert said.status == 2
    assert "there are no handlers: give a handler file" in said.err
    assert "--on-prepare" not in said.err  # an option that it does not have


class TestAConfiguration:
    def write(self, folder: Any, text: str) -> str:
        commands = '[commands.drain]\nprepare = "true"\n'
        (folder / "s.toml").write_text(commands + text if text.startswith("[") else text + commands)
        return str(folder / "s.toml")

    def test_is_looked_over_with_its_providers_and_sinks(self, stormcone: Any, tmp_path: Any) -> None:
        text = f'[sinks.ops]\ntype = "log"\nfile = "{tmp_path / "log"}"\n'
        file = self.write(tmp_path, text)
        said = stormcone("check", "--config", file)
        assert (said.status, said.err) == (0, "")
        assert said.out.splitlines()[-2:] == ["provider: auto", "sink ops: log"]
        document = stormcone("check", "--config", file, "--json").json
        assert (document["providers"], document["sinks"]) == (["auto"], [{"name": "ops", "type": "log"}])

    @pytest.mark.parametrize(
        ("text", "status", "why"),
        [
            ('[sinks.ops]\ntype = "webhook"\n', 64, "the sink ops cannot be used: url: it is missing"),
            ('[sinks.ops]\ntype = "webhok"\n', 78, "the sink ops cannot be used: "),
            ('endpoint = "127.0.0.1:1"\n', 64, "the endpoint '127.0.0.1:1' is not a URL of the form http://HOST:PORT"),
            ('[providers.azzure]\nregion = "x"\n', 64, "did you mean azure?"),
            ('[providers.google]\npreemption = "explode"\n', 64, "preemption"),
            ('[providers.google]\nspeling = "x"\n', 64, "google has no setting speling; it has "),
            ('[providers.azure]\nendpiont = "x"\n', 64, "there is no key providers.azure.endpiont ("),
            ('[providers.azure]\nendpiont = "x"\n', 64, "; did you mean endpoint?"),
        ],
    )
    def test_whose_providers_or_sinks_cannot_be_made_is_refused(
        self, stormcone: Any, tmp_path: Any, text: str, status: int, why: str
    ) -> None:
        said = stormcone("check", "--config", self.write(tmp_path, text))
        assert (said.status, said.out) == (status, "")
        assert why in said.err
        assert "s.toml, line" in said.err or status == 78


class TestAFleet:
    URL = "postgresql://me:hidden@127.0.0.1:9/x"

    def check(self, stormcone, tmp_path, text, *more):
        pytest.importorskip("psycopg")
        file = tmp_path / "fleet.toml"
        file.write_text(f'on_prepare = "true"\n{text}')
        file.chmod(0o600)
        return stormcone("check", "--config", file, *more)

    def test_is_shown_with_its_groups_and_not_asked(self, stormcone, tmp_path):
        text = f'[fleet]\nurl = "{self.URL}"\nname = "shop"\n[groups.db]\nmax_unavailable = 1\nmachines = ["db-*"]\n'
        said = self.check(stormcone, tmp_path, text)
        assert (said.status, said.err) == (0, "")
        assert said.out.endswith("fleet: shop\ngroup db: 1 may be away\n")
        document = self.check(stormcone, tmp_path, text, "--json").json
        assert document["fleet"] == {"name": "shop", "groups": {"db": "1"}}

    def test_that_cannot_be_used_is_found_before_the_agent_is_started(self, stormcone, tmp_path):
        said = self.check(stormcone, tmp_path, '[groups.db]\nmax_unavailable = 1\nmachines = ["db-*"]\n')
        assert said.status == 64
        assert "it is a group of a fleet, and there is none" in said.err
        nobody = '[groups.db]\nmax_unavailable = 0\nmachines = ["db-*"]\n'
        said = self.check(stormcone, tmp_path, f'[fleet]\nurl = "{self.URL}"\n{nobody}')
        assert said.status == 64
        assert "groups.db.max_unavailable: it lets no machine be away" in said.err
        said = self.check(stormcone, tmp_path, f'leader = "first"\n[fleet]\nurl = "{self.URL}"\n')
        assert said.status == 64
        assert "in a fleet all machines of an event agree, and nobody leads" in said.err
        assert "hidden" not in said.err
