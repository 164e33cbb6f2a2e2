"""What is wrong with a configuration: one sentence with the place and the nearest right name."""

import pytest

from stormcone.config.model import RunSettings
from stormcone.config.names import fields_of, is_table

MISTAKES = [
    # names
    ('kept = "3d"', "there is no key kept ({file}, line 1, column 1); did you mean keep?"),
    ("\nstandby-after = 3", "there is no key standby-after ({file}, line 2, column 1); did you mean standby_after?"),
    (
        '[commands.drain]\n  prepair = "x"',
        "there is no key commands.drain.prepair ({file}, line 2, column 3); did you mean prepare?",
    ),
    (
        '[commands.lead]\nlaed = "x"',
        "there is no key commands.lead.laed ({file}, line 2, column 1); did you mean lead?",
    ),
    (
        "[[rules]]\n[[rules]]\ncause = []",
        "there is no key rules[2].cause ({file}, line 3, column 1); did you mean causes?",
    ),
    ("[sails]\nmain = 1", "there is no key sails ({file}, line 1, column 2); "),
    ('[shard.a]\nprovider = "x"', "shard is no table ({file}, line 1, column 2); did you mean [shards.NAME]?"),
    ('[provider.aws]\nregion = "x"', "provider is no table ({file}, line 1, column 2); did you mean [providers.NAME]?"),
    ('[sink.a]\ntype = "log"', "sink is no table ({file}, line 1, column 2); did you mean [sinks.NAME]?"),
    ('[lead]\nfirst = "1h"', 'such as "90s", "15m" or "7d", not a table, or announced: as soon as'),
    ('[sinks.a]\ntpye = "log"', "there is no key sinks.a.tpye ({file}, line 2, column 1); did you mean type?"),
    (
        "[groups.db]\nmax_unavailible = 1",
        "there is no key groups.db.max_unavailible ({file}, line 2, column 1); did you",
    ),
    ('[rules]\nlead = "1h"', "rules: it is a list of tables, each with the heading [[rules]] ({file}, line 1"),
    # lengths of time
    (
        'keep = "3 parsecs"',
        "keep: '3 parsecs' is not a length of time; write 90s, 15m, 1h30m or 7d ({file}, line 1, column 8)",
    ),
    (
        "keep = 90",
        'keep: it is a length of time with its unit, such as "90s", "15m" or "7d", not 90 ({file}, line 1',
    ),
    ('interval = "0s"', "interval: it must be longer than 0; write 1s, for example ({file}, line 1, column 12)"),
    (
        '[[rules]]\nlead = "soon"',
        "1h30m or 7d, or announced: as soon as the event is announced ({file}, line 2, column 8)",
    ),
    # choices
    (
        'approve = "perpared"',
        "approve: it is prepared or never, not 'perpared'; did you mean prepared? ({file}, line 1, column 11)",
    ),
    (
        '[commands.drain]\nimpacts = [\n  "reboot",\n  "rebot",\n]',
        "not 'rebot'; did you mean reboot? ({file}, line 4, column 3)",
    ),
    (
        '[[rules]]\nhandlers = "nobody"',
        "rules[1].handlers: it is all, none or a list of names, not 'nobody' ({file}, line 2",
    ),
    ('dry_run = "perhaps"', "dry_run: it is true or false, not 'perhaps' ({file}, line 1, column 11)"),
    (
        "[commands.drain]\nretries = -1",
        "commands.drain.retries: input should be greater than or equal to 0 ({file}, line 2",
    ),
    # tables
    ('[[commands]]\nprepare = "true"', "commands: it is a table, with a heading in square brackets ({file}, line 1"),
    ("rules = 3", "rules: "),
    ("[providers.aws]\nqueue = [1]", "providers.aws.queue: it is a text, a number, true or false, or a list of texts"),
    (
        '[handlers.drain]\nprepare = "true"',
        "not a table; a handler made of commands is a table [commands.drain] ({file}, line 1, column 2)",
    ),
    (
        "handlers = 3",
        'handlers: it is a Python file with handlers, such as "/etc/stormcone/handlers.py", not 3 ({file}',
    ),
    # TOML itself
    (
        'leader = "first"\nkeep = 90d',
        "{file}, line 2, column 10: expected newline or end of document after a statement; texts and lengths of time",
    ),
    ("leader = first", 'line 1, column 10: invalid value; texts and lengths of time need quotes: leader = "first"'),
    ("[commands.drain", "the configuration is not valid TOML at {file}, its end: "),
    ('keep = "1d"\nkeep = "2d"\n', "is not valid TOML at {file}, line 2, column 12: cannot overwrite"),
]


@pytest.mark.parametrize(("text", "sentence"), MISTAKES, ids=[text for text, _ in MISTAKES])
def test_in_the_file(mistake, file, text, sentence):
    assert sentence.format(file=file) in mistake(text)


@pytest.mark.parametrize(
    "table", sorted(name for name, field in fields_of(RunSettings).items() if is_table(field) and name != "fleet")
)
def test_every_table_that_lacks_its_last_letter_is_told_with_its_name(mistake, file, table):
    assert f"did you mean {table}?" in mistake(f"[{table[:-1]}.a]\nb = 1").replace(f"[{table}.NAME]", table)


def test_what_stands_in_a_table_that_is_none_may_be_a_secret_and_is_not_said(mistake):
    assert "hidden" not in mistake('[provider.alibaba]\naccess-key-secret = "hidden"')


def test_of_several_a_misspelt_key_is_told_and_how_many_there_are(mistake):
    """What it lacks for that follows from it."""
    said = mistake('keep = 90\nleadr = "x"\ninterval = "0s"')
    assert said.startswith("there is no key leadr ")
    assert said.endswith("; and 2 more mistake(s)")


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"STORMCONE_KEEP": "3 parsecs"}, "write 90s, 15m, 1h30m or 7d (variable STORMCONE_KEEP)"),
        (
            {"STORMCONE_STANDBYAFTER": "3m"},
            "there is no setting for the variable STORMCONE_STANDBYAFTER; did you mean STORMCONE_STANDBY_AFTER?",
        ),
        ({"STORMCONE_RULES": "freeze"}, "the variable STORMCONE_RULES must be JSON, since it is a table: "),
        (
            {"STORMCONE_COMMANDS__DRAIN__PREPAIR": "x"},
            "there is no key commands.drain.prepair (variable STORMCONE_COMMANDS__DRAIN__PREPAIR)",
        ),
        (
            {"STORMCONE_KEEP": "1d", "STORMCONE_KEEP__DAYS": "1"},
            "STORMCONE_KEEP and STORMCONE_KEEP__DAYS say the same; leave one out",
        ),
    ],
)
def test_in_the_environment(mistake, variables, sentence):
    assert sentence in mistake(**variables)


class TestASecret:
    TEXT = '[providers.alibaba]\nscope = "machine"\naccess-key-secret = "the deep blue sea"'

    def test_in_a_file_that_anybody_may_read_is_refused_and_not_repeated(self, mistake, file):
        assert mistake(self.TEXT, mode=0o644) == (
            "providers.alibaba.access-key-secret is a secret and anybody may read it "
            f"(mode 0644, {file}, line 3, column 1); chmod o-r {file}, or keep it elsewhere: file:PATH or env:NAME"
        )

    @pytest.mark.parametrize("mode", [0o600, 0o640])
    def test_in_one_that_not_everybody_may_read_is_taken(self, configuration, mode):
        found = configuration(self.TEXT, mode=mode).settings
        assert found.providers["alibaba"].settings["access-key-secret"] == "the deep blue sea"

    def test_from_the_environment_says_nothing_against_the_file(self, configuration):
        assert configuration(mode=0o644, STORMCONE_SET="access-key-secret=x").settings.set == ("access-key-secret=x",)
