"""The table `[fleet]` and the groups, as people write them."""

from datetime import timedelta

import pytest

from stormcone.config.fleet import membership, opened
from stormcone.config.load import load
from stormcone.config.sinks import checked, tables_of
from stormcone.errors import SettingsError
from stormcone.handlers import App
from stormcone.model import Machine

FLEET = '[fleet]\nurl = "postgresql://stormcone@db/x"\n'
DB_1 = Machine(provider="test", id="i-1", name="DB-1")


@pytest.fixture
def configured(tmp_path):
    def write(text, mode=0o644, **environment):
        file = tmp_path / "stormcone.toml"
        file.write_text(text)
        file.chmod(mode)
        return load(file=file, environment=environment)

    return write


def test_a_machine_is_in_the_groups_that_name_it_or_that_it_says(configured):
    pytest.importorskip("psycopg")
    groups = '[groups.db]\nmax_unavailable = 1\nmachines = ["db-*"]\n[groups.web]\nmax_unavailable = "25%"\n'
    ours = '[groups.all]\nmax_unavailable = "2"\nours = true\n'
    with membership(configured(FLEET + groups + ours), App()) as ship:
        assert ship.identity(DB_1, {}).groups == {"db": "1", "all": "2"}
        assert ship.identity(DB_1, {}).names == ("DB-1", "i-1")


def test_without_the_table_there_is_no_fleet(configured):
    with membership(configured("keep = '1d'"), App()) as ship:
        assert ship is None


@pytest.mark.parametrize("limit", ["0%", "101%", "-1", "many", "1.5"])
def test_a_limit_is_a_number_or_a_share(configured, limit):
    with pytest.raises(SettingsError, match="is no limit; write a number of machines such as 1, or a share"):
        configured(f'{FLEET}[groups.db]\nmax_unavailable = "{limit}"\n')


@pytest.mark.parametrize("limit", ["0", '"0"', '" 00 "'])
def test_a_limit_that_lets_nobody_be_away_is_refused(configured, limit):
    """Nobody would ever get a turn: each would wait as long as its event lets it, and go all the same."""
    with pytest.raises(
        SettingsError, match=r"groups.db.max_unavailable: it lets no machine be away.*line 4, column 19"
    ):
        configured(f"{FLEET}[groups.db]\nmax_unavailable = {limit}\n")


def test_groups_without_a_fleet_are_refused(configured):
    with pytest.raises(SettingsError, match=r"groups.db: it is a group of a fleet, and there is none"):
        membership(configured("[groups.db]\nmax_unavailable = 1\n"), App()).__enter__()


def test_a_leader_in_the_handler_file_is_refused(configured):
    with pytest.raises(SettingsError, match="all machines of an event agree, and nobody leads"):
        membership(configured(FLEET), App(leader="first")).__enter__()


@pytest.mark.parametrize("url", ["postgresql://me:secret@db/x", "postgresql://db/x?password=secret"])
def test_a_password_that_anybody_may_read_is_refused_and_not_shown(configured, url):
    with pytest.raises(SettingsError, match=r"fleet\.url is a secret and anybody may read it") as caught:
        configured(f'[fleet]\nurl = "{url}"\n')
    assert "secret@" not in str(caught.value)
    configured(f'[fleet]\nurl = "{url}"\n', 0o600)


def test_the_address_may_stand_elsewhere(configured, tmp_path, monkeypatch):
    (tmp_path / "url").write_text("postgresql://me:secret@db/x\n")
    monkeypatch.setenv("FLEET", "postgresql://me:secret@db/y")
    for text, end in ((f"file:{tmp_path}/url", "/x"), ("env:FLEET", "/y")):
        found = configured(f'[fleet]\nurl = "{text}"\n').settings.fleet
        assert found.url.get_secret_value().endswith(end)
        assert "secret" not in repr(found).replace("SecretStr", "")
    variable = configured("", STORMCONE_FLEET__URL="postgresql://db/z")
    assert variable.settings.fleet.url.get_secret_value() == "postgresql://db/z"


def test_commands_do_not_get_the_variables_that_may_hold_it(configured, monkeypatch):
    pytest.importorskip("psycopg")
    monkeypatch.setenv("OUR_FLEET", "postgresql://me:secret@db/y")
    with membership(configured('[fleet]\nurl = "env:OUR_FLEET"\n'), App()) as ship:
        assert {"OUR_FLEET", "PGPASSWORD", "STORMCONE_FLEET__URL"} <= set(ship.secrets)


def test_an_address_that_is_none_is_said_with_its_place(configured):
    pytest.importorskip("psycopg")
    with pytest.raises(SettingsError, match=r"fleet.url: the address of the database cannot be read.*stormcone.toml"):
        opened(configured('[fleet]\nurl = "mysql://me:hidden@db/x"\n', 0o600))


class TestTheSinkOfTheHistory:
    def settings(self, configuration):
        ((name, table),) = tables_of(configuration).items()
        return checked(configuration, name, table)[1]

    def test_takes_the_fleets_database_and_name(self, configured):
        found = self.settings(configured(f'{FLEET}name = "shop"\n[sinks.history]\ntype = "fleet"\nkeep = "30d"\n'))
        assert (found.url.get_secret_value(), found.name) == ("postgresql://stormcone@db/x", "shop")
        assert found.keep == timedelta(days=30)

    def test_may_have_its_own(self, configured):
        own = '[sinks.history]\ntype = "fleet"\nurl = "postgresql://logs/y"\nname = "all"\n'
        found = self.settings(configured(f'{FLEET}name = "shop"\n{own}'))
        assert (found.url.get_secret_value(), found.name) == ("postgresql://logs/y", "all")

    def test_without_a_fleet_needs_its_own(self, configured):
        with pytest.raises(SettingsError, match="the sink history cannot be used: url: it is missing"):
            self.settings(configured('[sinks.history]\ntype = "fleet"\n'))
