"""Which cloud is this: all are asked at once, and one that fails or hangs hides no other."""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from stormcone import detect
from stormcone.clouds.contract import ProviderOptions
from stormcone.detect import Identity, first_sight, open_provider, survey
from stormcone.errors import PluginError, ProviderError, ProviderUnavailable, SettingsError, Unreachable
from stormcone.model import Capabilities, Machine, MaintenanceEvent, Observation, Outcome, Scope
from stormcone.plugins import BrokenPlugin, Plugins

OPTIONS = ProviderOptions()


class Cloud:
    """A provider whose `identify` is a test's."""

    capabilities: Capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)

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
        plugins = Plugins("stormcone.providers", found, broken)
        monkeypatch.setattr(detect, "load_plugins", lambda _group: plugins)
        monkeypatch.setattr(detect, "provider_class", plugins.get)
        return clouds

    yield install
    for thread in threading.enumerate():
        if thread.name.startswith("stormcone-"):
            thread.join()


def sick() -> Machine:
    raise ProviderError("the instance endpoint fails")


def gone() -> Machine:
    raise Unreachable("nothing listens there")


def deaf() -> Observation:
    raise ProviderError("what is announced is unknown")


def wrong() -> Observation:
    raise ProviderError("the keys are wrong", passing=False)


class TestFirstSight:
    @pytest.mark.parametrize("identify", [here, sick, elsewhere])
    def test_is_that_of_a_cloud_that_says_what_is_announced(self, identify: Callable[[], Machine]) -> None:
        cloud = Cloud("a", identify)
        identity = Identity(cloud)
        known = identity.within(5.0)
        assert first_sight(cloud, identity) == known == (here() if identify is here else None)

    def test_does_not_wait_for_an_instance_endpoint_that_hangs(self) -> None:
        over = threading.Event()
        cloud = Cloud("a", lambda: elsewhere() if over.wait() else here())
        assert first_sight(cloud, Identity(cloud)) is None
        over.set()

    def test_is_that_of_a_cloud_that_says_which_machine_this_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cloud = Cloud("a", here)
        monkeypatch.setattr(cloud, "poll", deaf)
        assert first_sight(cloud, Identity(cloud)) == here()

    def test_is_an_error_where_the_poll_will_not_do_better(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cloud = Cloud("a", here)
        monkeypatch.setattr(cloud, "poll", wrong)
        with pytest.raises(ProviderError, match="the keys are wrong"):
            first_sight(cloud, Identity(cloud))

    @pytest.mark.parametrize("identify", [sick, elsewhere, gone])
    @pytest.mark.parametrize("poll", [deaf, wrong])
    def test_of_a_cloud_that_says_neither_is_an_error_about_the_machine(
        self, identify: Callable[[], Machine], poll: Callable[[], Observation], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cloud = Cloud("a", identify)
        monkeypatch.setattr(cloud, "poll", poll)
        with pytest.raises(ProviderError, match=r"the instance endpoint fails|not that cloud|nothing listens"):
            first_sight(cloud, Identity(cloud))


class TestAuto:
    def test_takes_a_cloud_that_tells_events_alone_where_no_other_says_more(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clouds = install(a=sick, b=elsewhere, c=sick)
        provider: object = open_provider(OPTIONS)
        assert provider in {clouds["a"], clouds["c"]}
        assert clouds["a"].closed.is_set() is not clouds["c"].closed.is_set()
        clouds = install(a=sick, b=here, c=elsewhere)
        chosen: object = open_provider(OPTIONS)
        assert chosen is clouds["b"]

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

    def test_waits_for_nobody_longer_than_two_seconds(self, install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
        """A cloud that hangs may be no cloud at all."""
        monkeypatch.setattr(detect, "DETECTED_WITHIN", 0.0)
        gate = threading.Event()
        clouds = install(hanging=lambda: here() if gate.wait(20) else elsewhere())
        monkeypatch.setattr(clouds["hanging"], "poll", lambda: deaf() if gate.wait(20) else Observation())
        with pytest.raises(ProviderUnavailable, match=r"hanging: it has not said within 0 s"):
            open_provider(OPTIONS)
        assert clouds["hanging"].closed.is_set()
        gate.set()

    def test_gives_a_cloud_that_was_named_the_time_that_it_takes(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(detect, "DETECTED_WITHIN", 0.0)
        install(named=here)
        (finding,) = survey(replace(OPTIONS, provider="named"))
        assert finding.machine == here()

    def test_waits_for_the_machine_of_a_cloud_that_was_named_once_it_has_told_of_events(
        self, install: Install, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A busy machine may load a vendor's SDK for seconds."""
        monkeypatch.setattr(detect, "DETECTED_WITHIN", 0.0)
        polled, waited_for = threading.Event(), threading.Event()

        class Slow(Identity):
            def within(self, seconds: float | None) -> Machine | None:
                if polled.is_set() and seconds:
                    waited_for.set()
                return super().within(seconds)

        monkeypatch.setattr(detect, "Identity", Slow)
        clouds = install(named=lambda: here() if waited_for.wait(20) else elsewhere())
        monkeypatch.setattr(clouds["named"], "poll", lambda: polled.set() or Observation())
        (finding,) = survey(replace(OPTIONS, provider="named"))
        waited_for.set()
        assert finding.machine == here()

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
