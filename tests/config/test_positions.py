"""Where keys and values of a TOML file stand, held to what tomllib reads."""

import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stormcone.config.positions import Place, paths_of, positions_in

DOCUMENT = r"""# a comment = [
keep = "90d"   # no key = here
"quoted key" = 'it'

[approval.deep]  # [not.a.table]
  text = '''
  x = 1
  'quoted''''
words = [ "a", # "b",
  [1, 2], { c = 'd', "e.f" = [true] },
]
a.b . c = 2026-01-01T00:00:00Z

[[rules]]
impacts = ["freeze"]
[rules.inner]
x = 1
[[rules]]
impacts = []
"""


class TestADocument:
    @pytest.mark.parametrize(
        ("path", "key", "value"),
        [
            (("keep",), (2, 1), (2, 8)),
            (("approval", "deep"), (5, 11), None),
            (("approval", "deep", "words"), (9, 1), (9, 9)),
            (("approval", "deep", "words", 2, "e.f"), (10, 22), (10, 30)),
            (("approval", "deep", "a", "b", "c"), (12, 7), (12, 11)),
            (("rules", 0, "inner", "x"), (17, 1), (17, 5)),
            (("rules", 1, "impacts"), (19, 1), (19, 11)),
        ],
    )
    def test_has_each_key_and_each_value_at_its_place(self, path, key, value):
        found = positions_in(DOCUMENT)
        assert found.keys[path] == Place(*key)
        if value:
            assert found.values[path] == Place(*value)

    def test_misses_nothing_that_tomllib_reads(self):
        found = positions_in(DOCUMENT)
        assert {*found.keys, *found.values} == set(paths_of(tomllib.loads(DOCUMENT)))

    def test_says_of_what_is_missing_where_its_table_is(self):
        assert positions_in(DOCUMENT).of(("rules", 1, "lead")) == Place(18, 3)
        assert positions_in(DOCUMENT).of(("nothing",)) is None


_KEYS = st.text(st.sampled_from("ab-_ .\"'#[]={}\\\nä"), max_size=4)
_TEXTS = st.text(st.sampled_from("a \"'#[]={},\\\n\t."), max_size=6)
_VALUES = st.recursive(
    st.one_of(st.integers(), st.booleans(), _TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(_KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _basic(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def _written(value: object, layout: str) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        plain = "\\" not in value and "'" not in value and "\n" not in value
        return f"'{value}'" if plain and layout else _basic(value)
    if isinstance(value, list):
        return "[" + ("," + layout).join(_written(each, layout) for each in value) + layout + "]"
    return "{" + ", ".join(f"{_basic(key)} = {_written(each, '')}" for key, each in value.items()) + "}"


def _document(tables: dict, many: list, layout: str) -> str:
    lines = []
    for name, table in tables.items():
        lines.append(f"[{_basic(name)}]{layout}")
        lines += [f"{_basic(key)} = {_written(value, layout)} # [" for key, value in table.items()]
    for table in many:
        lines.append(" [[ many ]] ")
        lines += [f"{_basic(key)}={_written(value, layout)}" for key, value in table.items()]
    return "\n".join(lines)


_TABLES = st.dictionaries(_KEYS.filter(lambda key: key != "many"), st.dictionaries(_KEYS, _VALUES, max_size=3))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # how fast the machine is says nothing
@given(_TABLES, st.lists(st.dictionaries(_KEYS, _VALUES, max_size=3), max_size=3), st.sampled_from(["", " # ]\n\t"]))
def test_every_path_of_every_document_is_found_and_no_other(tables, many, layout):
    text = _document(tables, many, layout)
    found = positions_in(text)
    assert {*found.keys, *found.values} == set(paths_of(tomllib.loads(text)))
