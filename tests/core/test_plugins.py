"""Plug-ins as real distributions on the path: those that work, and those that stevedore would pass over in silence."""

import sys
import textwrap

import pytest
from stevedore import ExtensionManager, _cache

from stormcone.errors import PluginError
from stormcone.plugins import PROVIDERS, SIMULATORS, load_plugins, provider_class, simulator_class

PROVIDER = """
    class Provider:
        name = "tiny"
        capabilities = None
        from_options = identify = poll = outcomes = approve = close = print
"""


@pytest.fixture(autouse=True)
def fresh_caches(monkeypatch, tmp_path):
    """stevedore remembers entry points in memory and on the disk."""
    monkeypatch.setattr(ExtensionManager, "ENTRY_POINT_CACHE", {})
    monkeypatch.setattr(_cache._c, "_dir", str(tmp_path / "cache"))
    monkeypatch.setattr(_cache._c, "_internal", {})


@pytest.fixture
def install(monkeypatch, tmp_path):
    """Puts a distribution with one module on the path."""

    def install(distribution, code=PROVIDER, *, entries=None, group=PROVIDERS):
        module = distribution.replace("-", "_")
        folder = tmp_path / distribution
        info = folder / f"{module}-1.2.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(textwrap.dedent(code))
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        lines = [f"{name} = {module}:{attribute}" for name, attribute in (entries or {"tiny": "Provider"}).items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{group}]", *lines, ""]))
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


class TestAPlugin:
    def test_is_found_with_its_distribution(self, install):
        install("tiny-cloud")
        assert provider_class("tiny").name == "tiny"
        assert load_plugins(PROVIDERS).distributions["tiny"] == "tiny-cloud 1.2"

    def test_is_registered_in_the_same_way_by_stormcone_itself(self):
        assert load_plugins(PROVIDERS).distributions["azure"].startswith("stormcone ")
        assert simulator_class("azure").name == "azure"

    def test_that_is_not_there_is_said_with_those_that_are(self, install):
        install("tiny-cloud")
        with pytest.raises(PluginError, match=r"no such cloud: gone; there are: .*tiny"):
            provider_class("gone")

    def test_may_be_offered_twice_by_one_distribution_under_two_names(self, install):
        install("tiny-cloud", entries={"tiny": "Provider", "small": "Provider"})
        assert provider_class("tiny") is provider_class("small")


class TestAPluginThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("code", "error"),
        [
            ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
            ("raise ValueError('two\\nlines')", "ValueError: two lines"),
            ("def f(:", "SyntaxError"),
            ("x = 1", "has no attribute 'Provider'"),
        ],
    )
    def test_is_named_with_its_distribution_and_error_and_spoils_no_other(self, install, code, error):
        install("broken-cloud", code, entries={"broken": "Provider"})
        install("tiny-cloud")
        plugins = load_plugins(PROVIDERS)
        assert "tiny" in plugins.found
        (broken,) = plugins.broken
        assert (broken.name, broken.distribution) == ("broken", "broken-cloud 1.2")
        assert error in broken.error
        with pytest.raises(PluginError, match=r"the plug-in 'broken' of broken-cloud 1.2 cannot be used: "):
            plugins.get("broken")

    def test_because_it_lacks_something_is_told_what(self, install):
        install("poor-cloud", PROVIDER.replace("approve = ", ""), entries={"poor": "Provider"})
        with pytest.raises(PluginError, match=r"'poor' of poor-cloud 1.2 cannot be used: it lacks approve$"):
            provider_class("poor")

    def test_is_told_by_the_demands_of_its_own_group(self, install):
        install("tiny-simulator", group=SIMULATORS)
        with pytest.raises(PluginError, match=r"it lacks settings, start_server, schedule, cancel, events$"):
            simulator_class("tiny")

    @pytest.mark.parametrize(("code", "error"), [("assert False, 'no'", "AssertionError: no"), ("exit(3)", "Exit: 3")])
    def test_and_ends_the_import_of_all_is_an_error_of_ours(self, install, code, error):
        install("rude-cloud", code)
        with pytest.raises(PluginError, match=rf"a plug-in in stormcone.providers cannot be imported \(.*{error}\)"):
            load_plugins(PROVIDERS)


class TestTwoPluginsOfOneName:
    SENTENCE = (
        r"two plug-ins in stormcone.providers are called 'tiny', of a-cloud 1.2 and c-cloud 1.2; uninstall one of them"
    )

    def test_are_refused_where_they_are_found_one_after_the_other(self, install):
        install("a-cloud")
        install("c-cloud")
        with pytest.raises(PluginError, match=self.SENTENCE):
            load_plugins(PROVIDERS)

    def test_are_refused_where_another_is_found_in_between(self, install):
        install("a-cloud")
        install("b-cloud", entries={"other": "Provider"})
        install("c-cloud")
        with pytest.raises(PluginError, match=self.SENTENCE):
            load_plugins(PROVIDERS)
