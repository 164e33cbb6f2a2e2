"""Which cloud is this: all are asked at once, and one that fails or hangs hides no other."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from stormcone import detect
from stormcone.clouds.contract import ProviderOptions
from stormcone.detect import open_provider, survey
from stormcone.errors import PluginError, ProviderUnavailable, SettingsError
from stormcone.model import Capabilities, Machine, MaintenanceEvent, Observation, Outcome, Scope
from stormcone.plugins import BrokenPlugin, Plugins

OPTIONS = ProviderOptions()


class Cloud:
    """A provider whose `identify` is a test's."""

    capabilities: ClassVar[Capabilities] = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)

    def __init__(self, name: str, identify: Callable[[], Machine]) -> None:
        self.name = name
        self._identify = identify
        self.closed = threading.Event()

    def from_options(self, options: ProviderOptions) -> "Cloud":
        return self

    def identify(self) -> Machine:
        return self._identify()

    def poll(self) -> Observation:
        return Observation()

    def outcomes(self, ids: Collection[str]) -> Mapping[str, Outcome]:
        return {}

    def approve(self, event: MaintenanceEvent) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self.closed.set()


def here() -> Machine:
    return Machine(provider="here", id="1", name="web-0")


def elsewhere() -> Machine:
    raise ProviderUnavailable("this is not that cloud")


def faulty() -> Machine:
    raise ZeroDivisionError("division by zero")


Install = Callable[..., dict[str, Cloud]]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs clouds by name, each with what its `identify` does, and broken plug-ins."""

    def install(*broken: BrokenPlugin, **identify: Callable[[], Machine]) -> dict[str, Cloud]:
        clouds = {name: Cloud(name, function) for name, function in identify.items()}
        found: dict[str, Any] = dict(clouds)
        plugins = Plugins("stormcone.providers", found, dict.fromkeys(clouds, "tests 1.0"), broken)
        monkeypatch.setattr(detect, "load_plugins", lambda _group: plugins)
        monkeypatch.setattr(detect, "provider_class", plugins.get)
        return clouds

    yield install
    for thread in threading.enumerate():
        if thread.name.startswith("stormcone-"):
            thread.join()


class TestAuto:
    def test_takes_the_cloud_that_answers(self, install: Install) -> None:
        clouds = install(a=elsewhere, b=here, c=faulty)
        provider: object = open_provider(OPTIONS)
        assert provider is clouds["b"]
        assert not clouds["b"].closed.is_set()

    def test_waits_for_no_cloud_that_hangs_once_another_has_answered_and_closes_it(self, install: Install) -> None:
        def hang() -> Machine:
            clouds["a"].closed.wait()
            return elsewhere()

        clouds = install(a=hang, b=here)
        provider: object = open_provider(OPTIONS)
        assert provider is clouds["b"]
        assert clouds["a"].closed.is_set()

    def test_says_of_every_cloud_why_it_is_not_here(self, install: Install) -> None:
        install(BrokenPlugin("d", "rusty 2.0", "it lacks poll"), a=elsewhere, c=faulty)
        with pytest.raises(ProviderUnavailable) as error:
            open_provider(OPTIONS)
        text = str(error.value)
        assert text.startswith("no cloud was found; name one with --provider, or say where it is with --endpoint (")
        for reason in (
            "a: this is not that cloud",
            "c: the provider failed: ZeroDivisionError: division by zero",
            "d: the plug-in of rusty 2.0 is broken: it lacks poll",
        ):
            assert reason in text

    def test_says_that_nothing_is_installed(self, install: Install) -> None:
        install()
        with pytest.raises(ProviderUnavailable, match="no provider is installed"):
            open_provider(OPTIONS)


class TestASurvey:
    def test_closes_the_clouds_that_see_no_machine_and_leaves_the_others_to_the_caller(self, install: Install) -> None:
        clouds = install(a=elsewhere, b=here)
        findings = {finding.name: finding for finding in survey(OPTIONS)}
        assert (findings["a"].provider, findings["a"].error) == (None, "this is not that cloud")
        assert (findings["b"].machine, findings["b"].error) == (here(), "")
        assert {name: cloud.closed.is_set() for name, cloud in clouds.items()} == {"a": True, "b": False}

    def test_goes_on_where_a_cloud_cannot_use_the_options(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(options: ProviderOptions) -> Cloud:
            raise SettingsError("a has no setting sails")

        clouds = install(a=here, b=here)
        monkeypatch.setattr(clouds["a"], "from_options", refuse)
        assert {finding.name: finding.error for finding in survey(OPTIONS)} == {"a": "a has no setting sails", "b": ""}

    def test_of_one_cloud_asks_no_other(self, install: Install) -> None:
        install(a=elsewhere, b=here)
        assert [finding.name for finding in survey(replace(OPTIONS, provider="b"))] == ["b"]
        with pytest.raises(PluginError, match="no such cloud: c;"):
            list(survey(replace(OPTIONS, provider="c")))
