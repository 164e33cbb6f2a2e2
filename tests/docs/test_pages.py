"""What the pages say can be done, can be done: code runs, commands parse, links lead somewhere."""

import re
import shlex
import tomllib

import click

import stormcone
from stormcone import App
from stormcone.cli import cli
from stormcone.config.load import load
from stormcone_simulators.scenarios.format import Scenario, parse_scenario

_LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


def test_every_block_of_python_that_imports_what_it_uses_runs_and_every_piece_of_one_is_python(python_block):
    program = compile(python_block.text, str(python_block), "exec")
    if python_block.text.startswith(("from ", "import ")):
        names = {"__name__": "a_page"}
        exec(program, names)  # noqa: S102
        assert "\napp = " not in python_block.text or isinstance(names["app"], App)


def test_every_block_of_toml_can_be_used(toml_block, tmp_path):
    if "[[step]]" in toml_block.text:
        assert isinstance(parse_scenario(toml_block.text, str(toml_block)), Scenario)
    elif toml_block.page == "docs/configuration.md":
        file = tmp_path / "stormcone.toml"
        file.write_text(toml_block.text)
        file.chmod(0o600)
        assert load(file=file, environment={}).settings
    else:
        assert tomllib.loads(toml_block.text)


def test_every_command_is_one_that_stormcone_takes(command_line):
    command, (_, *words) = cli, shlex.split(command_line, comments=True)
    context = click.Context(cli, info_name="stormcone")
    while isinstance(command, click.Group) and (words or not command.invoke_without_command):
        command = command.get_command(context, words.pop(0))
        assert command is not None, command_line
    command.make_context(command.name, words, parent=context)


def test_every_target_of_make_is_one_that_there_is(page, root):
    targets = set(re.findall(r"^([a-z-]+):", (root / "Makefile").read_text(), re.MULTILINE))
    asked = re.findall(r"`make (\w+)`|^make (\w+)$", page.read_text(), re.MULTILINE)
    assert {either or other for either, other in asked} <= targets


def test_every_link_to_a_file_leads_to_one(page):
    targets = [found["target"] for found in _LINK.finditer(page.read_text())]
    missing = [target for target in targets if ":" not in target and not (page.parent / target).is_file()]
    assert missing == []


def test_every_page_is_reached_from_the_index(root):
    docs = root / "docs"
    trees = [docs / "index.md", *docs.glob("*/index.md")]
    patterns = [f"{(tree.parent / name).relative_to(docs)}.md" for tree in trees for name in _toctree(tree.read_text())]
    listed = {path for pattern in patterns for path in docs.glob(pattern)}
    pages = {page for page in docs.rglob("*.md") if "_build" not in page.parts}
    assert pages - listed == {docs / "index.md"}


def test_every_public_name_is_documented_as_one_imports_it(root):
    page = (root / "docs" / "api.md").read_text()
    documented = set(re.findall(r"^\.\. autoclass:: stormcone\.(\w+)$", page, re.MULTILINE))
    assert set(stormcone.__all__) - documented == set()


class TestOnAPackageIndex:
    def test_the_readme_has_no_link_or_picture_that_leads_nowhere_there(self, root):
        targets = re.findall(r"\]\(([^)\s]+)", (root / "README.md").read_text())
        assert [target for target in targets if not target.startswith("https://")] == []

    def test_the_project_names_no_address_that_is_not_public(self, root):
        project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
        assert [url for url in project.get("urls", {}).values() if not url.startswith("https://")] == []


def _toctree(text):
    for tree in re.findall(r"```\{toctree\}\n(.*?)```", text, re.DOTALL):
        yield from (line for line in tree.splitlines() if line and not line.startswith(":"))
