"""The reference and the sample are made of the model, and what is stored of them is current."""

import re
import tomllib
from pathlib import Path

import pytest

from stormcone.cli.configured import OPTIONS, _Layered
from stormcone.config.load import load
from stormcone.config.model import RunSettings
from stormcone.config.names import fields_of, is_table
from stormcone.config.positions import paths_of
from stormcone.config.reference import sample, sections

STORED = Path(__file__).parents[2] / "deploy" / "stormcone.toml"
FILE_ONLY = {"handlers", "approve_short_freeze", "approve_consent"}
"""What is no flag: an argument, and what a handler file's author decides."""


def test_the_stored_sample_is_current():
    assert STORED.read_text("utf-8") == sample(), f"stormcone config --sample > {STORED}"


def test_the_sample_says_nothing_as_it_stands(file):
    file.write_text(sample())
    assert tomllib.loads(sample()) == {}
    assert load(file=file, environment={}).settings == RunSettings()


def test_every_line_of_the_sample_can_be_used_and_every_key_is_in_it(configuration):
    text = re.sub(r"^#(?=[a-z\[])", "", sample(), flags=re.MULTILINE)
    found = configuration(text)
    keys = {path for path in paths_of(tomllib.loads(text)) if path[0] in fields_of(RunSettings)}
    assert {path for path, _ in found.leaves()} <= keys


@pytest.mark.parametrize("section", list(sections()), ids=lambda section: section.heading or "top")
def test_every_key_has_its_meaning_and_its_kind(section):
    assert section.help
    for entry in section.entries:
        assert entry.help.endswith("."), entry
        assert entry.kind not in {"", "value"}, entry


def test_every_option_of_run_is_a_key_and_every_key_outside_of_tables_an_option():
    options = {option(lambda: None).__click_params__[0] for option in OPTIONS.values()}
    flags = {option.setting for option in options if isinstance(option, _Layered)}
    keys = {key for key, field in fields_of(RunSettings).items() if not is_table(field)}
    assert flags == keys - FILE_ONLY


def test_a_flag_has_the_help_and_the_variable_of_its_key(capsys):
    from click.testing import CliRunner

    from stormcone.cli.commands.run import command

    said = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for key, field in fields_of(RunSettings).items():
        if not is_table(field) and key not in FILE_ONLY:
            assert f"STORMCONE_{key.upper()}" in said, key
