"""`stormcone config`: what is in force, and where each value comes from."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILE = """\
provider = "alibaba"
keep = "2d"
set = ["scope=machine", "security-token=sesame"]
[commands."leave pool"]
prepare = ["true", "a b"]
impacts = ["reboot", "freeze"]
[[rules]]
handlers = "none"
shorter_than = "90s"
[[rules]]
lead = "announced"
[providers.alibaba]
access-key-secret = "the deep blue sea"
proxy = "http://me:sesame@proxy:3128"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "stormcone.toml"
    file.write_text(FILE)
    file.chmod(0o600)
    return file


def test_says_of_each_setting_where_it_comes_from(
    stormcone: Callable[..., Any], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORMCONE_LEADER", "first")
    said = stormcone("config", "--config", file, "--interval", "90s", "handlers.py")
    assert (said.status, said.err) == (0, "")
    lines = said.out.splitlines()
    assert lines[0] == f"# file: {file}"
    for line in (
        'handlers = "handlers.py"  # flag FILE',
        f'provider = ["alibaba"]  # {file}, line 1, column 12',
        f'keep = "2d"  # {file}, line 2, column 8',
        'interval = "1m30s"  # flag --interval',
        'leader = "first"  # variable STORMCONE_LEADER',
        "# standby is not set  # default",
        "dry_run = false  # default",
        '[commands."leave pool"]',
        f'impacts = ["freeze", "reboot"]  # {file}, line 6, column 11',
        f'shorter_than = "1m30s"  # {file}, line 9, column 16',
        f'lead = "announced"  # {file}, line 11, column 8',
    ):
        assert line in lines
    assert lines.count("[[rules]]") == 2


def test_is_a_configuration_that_means_the_same(stormcone: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    first = stormcone("config", "--config", file)
    assert tomllib.loads(first.out)["commands"]["leave pool"]["prepare"] == ["true", "a b"]
    copy = tmp_path / "copy.toml"
    copy.write_text(first.out)
    copy.chmod(0o600)
    values = [
        {each["key"]: each["value"] for each in stormcone("config", "--json", "--config", name).json["settings"]}
        for name in (file, copy)
    ]
    assert values[0] == values[1]


def test_tells_programs(stormcone: Callable[..., Any], file: Path) -> None:
    document = stormcone("config", "--json", "--config", file, "--dry-run").json
    assert document["file"] == str(file)
    found = {each["key"]: each for each in document["settings"]}
    assert found["keep"] == {"key": "keep", "value": "2d", "from": "file", "name": str(file), "line": 2, "column": 8}
    assert (found["dry_run"]["value"], found["dry_run"]["from"], found["dry_run"]["name"]) == (
        True,
        "flag",
        "--dry-run",
    )
    assert (found["standby"]["value"], found["standby"]["from"], found["standby"]["name"]) == (None, "default", None)
    assert found["rules.1.lead"]["line"] == 11
    assert (found["json"]["value"], found["json"]["from"]) == (False, "default")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_has_no_secret(stormcone: Callable[..., Any], file: Path, arguments: list[str]) -> None:
    said = stormcone("config", *arguments, "--config", file)
    assert said.status == 0
    assert "sesame" not in said.out
    assert "sea" not in said.out
    assert said.out.count("(secret)") == 3
    assert "http://(secret)@proxy:3128" in said.out


def test_has_no_secret_of_the_environment_or_a_flag_either(
    stormcone: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORMCONE_PROVIDERS__ALIBABA__SECURITY-TOKEN", "sesame")
    said = stormcone(
        "config", "--provider", "alibaba", "--set", "access-key-secret=sesame", "--endpoint", "http://a:sesame@b"
    )
    assert said.status == 0
    assert "sesame" not in said.out


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[providers.alibabar]", "providers.alibabar: no such provider is installed; did you mean alibaba? ("),
        ('keep = "3 parsecs"', "keep: '3 parsecs' is not a length of time"),
        ('provider = ["azure", "azure"]', "names one provider twice"),
    ],
)
def test_refuses_what_run_refuses(stormcone: Callable[..., Any], file: Path, text: str, sentence: str) -> None:
    file.write_text(text)
    said = stormcone("config", "--config", file)
    assert said.status in {2, 64}
    assert sentence in said.err
    assert said.out == ""


def test_of_a_provider_s_own_setting_run_says_where_it_stands(stormcone: Callable[..., Any], file: Path) -> None:
    file.write_text('on_prepare = "true"\nprovider = "azure"\n[providers.azure]\napi-versoin = "2020-07-01"')
    said = stormcone("run", "--config", file)
    assert said.status == 64
    assert said.err.endswith(
        f"azure has no setting api-versoin; it has api-version; did you mean api-version? ({file}, line 4, column 1)\n"
    )


def test_without_a_file_says_so(stormcone: Callable[..., Any]) -> None:
    assert stormcone("config").out.startswith("# file: none; /etc/stormcone/stormcone.toml is not there, and --config")


def test_prints_the_sample(stormcone: Callable[..., Any]) -> None:
    from stormcone.config.reference import sample

    assert stormcone("config", "--sample").out == sample()


class TestOtherCommands:
    """What asks a cloud or reads a journal finds both where the agent does."""

    @pytest.fixture
    def shared(self, simulator: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.delenv("STORMCONE_JOURNAL")
        file = tmp_path / "shared.toml"
        file.write_text(
            f'provider = "auto"\njournal = "{tmp_path}/elsewhere.db"\nendpoint = "{simulator.url}"\n'
            '[providers.azure]\nmachine = "web-1"\n[providers.alibaba]\nscope = "region"\n'
        )
        return file

    def test_ask_the_cloud_that_the_configuration_names(
        self, stormcone: Callable[..., Any], simulator: Any, shared: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        event = simulator.schedule("reboot", resources=["web-1"])
        said = stormcone("events", "--config", shared, "--json").json
        assert (said["machine"]["host.name"], [each["id"] for each in said["events"]]) == ("web-1", [event])
        monkeypatch.setenv("STORMCONE_CONFIG", str(shared))
        assert stormcone("events", "--machine", "web-0", "--json").json["machine"]["host.name"] == "web-0"

    def test_read_the_journal_that_it_names(self, stormcone: Callable[..., Any], shared: Path, tmp_path: Path) -> None:
        said = stormcone("history", "--config", shared)
        assert said.status == 74
        assert f"there is no journal at {tmp_path}/elsewhere.db" in said.err
        assert (
            f"{tmp_path}/given.db" in stormcone("history", "--config", shared, "--journal", tmp_path / "given.db").err
        )

    def test_refuse_one_that_is_broken(self, stormcone: Callable[..., Any], shared: Path) -> None:
        shared.write_text("keep = 3")
        for command in ("events", "history", "doctor"):
            said = stormcone(command, "--config", shared)
            assert (said.status, "keep: it is a length of time" in said.err) == (64, True)
