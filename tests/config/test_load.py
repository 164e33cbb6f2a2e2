"""The layers of a configuration, from weak to strong, and where each value comes from."""

import logging
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from stormcone.clock import ManualClock
from stormcone.config import load as loading
from stormcone.config.load import load
from stormcone.config.names import fields_of, is_table, variable_of
from stormcone.errors import SettingsError
from stormcone.handlers import Context, Stage
from stormcone.handlers.commands import variables
from stormcone.handlers.control import RunControl
from stormcone.model import Machine, MaintenanceEvent


class TestPrecedence:
    def test_of_flag_variable_file_and_default_the_strongest_counts(self, configuration):
        text = 'keep = "1d"\ninterval = "1s"\nleader = "first"'
        found = configuration(
            text, flags={"keep": timedelta(days=3)}, STORMCONE_KEEP="2d", STORMCONE_INTERVAL="2s"
        ).settings
        assert (found.keep, found.interval, found.leader) == (timedelta(days=3), timedelta(seconds=2), "first")
        assert found.postpone is None

    def test_a_list_is_taken_whole_and_a_table_key_by_key(self, configuration):
        found = configuration(
            'provider = ["aws", "aws-queue"]\n[commands.drain]\nprepare = "true"\nretries = 3',
            STORMCONE_PROVIDER="azure",
            STORMCONE_COMMANDS__DRAIN__RETRIES="5",
        ).settings
        assert found.provider == ("azure",)
        assert (found.commands["drain"].prepare, found.commands["drain"].retries) == ("true", 5)

    def test_commands_keep_the_order_of_the_file(self, configuration):
        text = "".join(f'[commands.{name}]\nprepare = "true"\n' for name in "zax")
        assert list(configuration(text, STORMCONE_COMMANDS__X__TIMEOUT="1m").settings.commands) == list("zax")


class TestWhereAValueComesFrom:
    @pytest.mark.parametrize(
        ("path", "said"),
        [
            (("keep",), "flag --keep"),
            (("interval",), "variable STORMCONE_INTERVAL"),
            (("leader",), "{file}, line 2, column 10"),
            (("commands", "drain", "prepare"), "{file}, line 4, column 11"),
            (("commands", "drain", "timeout"), "variable STORMCONE_COMMANDS__DRAIN__TIMEOUT"),
            (("rules", 0, "handlers"), "variable STORMCONE_RULES"),
            (("postpone",), "default"),
            (("handlers",), "flag FILE"),
        ],
    )
    def test_is_told(self, configuration, file, path, said):
        found = configuration(
            '# keep\n  leader="first"\n[commands.drain]\nprepare = "true"',
            flags={"keep": timedelta(days=3), "handlers": "handlers.py"},
            STORMCONE_KEEP="2d",
            STORMCONE_INTERVAL="2s",
            STORMCONE_COMMANDS__DRAIN__TIMEOUT="1m",
            STORMCONE_RULES='[{"handlers": "none"}]',
        )
        assert str(found.origin(path)) == said.format(file=file)


class TestTheEnvironment:
    @pytest.mark.parametrize(
        "name",
        sorted(name for name, field in fields_of(loading.RunSettings).items() if not is_table(field)),
    )
    def test_has_a_variable_for_every_setting(self, configuration, name):
        texts = {
            "verbose": "2",
            "postpone": "once",
            "approve": "never",
            "journal": "j.db",
            "listen": "9464",
            "log": "text",
        }
        field = fields_of(loading.RunSettings)[name]
        kind = str(field.annotation)
        text = texts.get(name) or ("true" if "bool" in kind else "5m")
        found = configuration(**{variable_of((name,)): text})
        assert [path for path, _ in found.leaves() if found.origin(path).kind == "variable"] == [(name,)]

    def test_what_is_empty_is_not_there(self, configuration):
        assert configuration(STORMCONE_KEEP="").settings.keep == timedelta(days=90)

    def test_what_commands_find_in_theirs_is_left_alone(self, configuration):
        machine = Machine(provider="azure", id="1", name="web-0")
        event = MaintenanceEvent(
            id="e", provider="azure", impact="reboot", cause="maintenance", phase="scheduled", resources=("web-0",)
        )
        context = Context(machine, 1, logging.getLogger(), RunControl(ManualClock(), None))
        given = set(variables(Stage.PREPARE, event, context)) - {"STORMCONE_PROVIDER", "STORMCONE_MACHINE"}
        assert configuration(**dict.fromkeys([*given, "STORMCONE_RUN", "STORMCONE_CONFIG"], "x")).settings


class TestTheFile:
    def test_is_the_usual_one_if_it_is_there(self, monkeypatch, file):
        monkeypatch.setattr(loading, "USUAL_FILE", file)
        assert load(environment={}).file is None
        file.write_text('keep = "1d"')
        assert load(environment={}).settings.keep == timedelta(days=1)

    def test_is_named_by_a_variable_and_more_strongly_by_the_flag(self, tmp_path):
        for name in ("a", "b"):
            (tmp_path / name).write_text(f'leader = "{name}"')
        environment = {"STORMCONE_CONFIG": str(tmp_path / "a")}
        assert load(environment=environment).settings.leader == "a"
        assert load(environment=environment, file=tmp_path / "b").settings.leader == "b"

    def test_may_be_nothing(self):
        assert load(file=Path(os.devnull), environment={}).settings == load(environment={}).settings

    @pytest.mark.parametrize(
        ("prepare", "why"),
        [
            (lambda file: None, "there is no configuration file {file}; name another with --config"),
            (lambda file: file.mkdir(), "the configuration {file} cannot be read: Is a directory; "),
            (lambda file: file.write_bytes(b"\n\n# \xff"), "{file} is not UTF-8 in line 3; save it as UTF-8"),
            (lambda file: file.write_bytes(b"#" * 2_000_000), "is larger than 1 MiB"),
            (lambda file: file.write_text("a = " + "[" * 5000), "{file}"),
        ],
    )
    def test_that_cannot_be_read_is_told_in_a_sentence(self, file, prepare, why):
        prepare(file)
        with pytest.raises(SettingsError) as refused:
            load(file=file, environment={})
        assert why.format(file=file) in str(refused.value)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_that_may_not_be_read_is_told_in_a_sentence(self, mistake):
        assert "cannot be read: Permission denied" in mistake('keep = "1d"', mode=0o000)

    def test_that_anybody_may_change_is_refused(self, mistake, file):
        said = mistake('keep = "1d"', mode=0o646)
        assert said == f"anybody may change the configuration {file} (mode 0646); chmod o-w {file}"


def test_the_library_is_imported_when_a_configuration_is_read_and_not_before():
    code = (
        "import sys, stormcone.cli.commands.run, stormcone.config.load as it; "
        "assert 'pydantic_settings' not in sys.modules; it.load(environment={}); "
        "assert 'pydantic_settings' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
