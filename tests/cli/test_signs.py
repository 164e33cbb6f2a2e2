"""Local signs of a cloud: they come before any question, and say why."""

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stormcone import detect
from stormcone.clouds.contract import ProviderOptions, Source
from stormcone.clouds.signs import DMI, Sign, sign_seen
from stormcone.detect import choose, survey
from stormcone.errors import ProviderError, ProviderUnavailable, SettingsError
from stormcone.model import Capabilities, Machine, Observation, Scope
from stormcone.plugins import PROVIDERS, Plugins, load_plugins

AUTO = ProviderOptions()


class Cloud:
    """A provider whose sign, and what it answers, are a test's."""

    capabilities = Capabilities(scope=Scope.MACHINE, poll_interval=1.0)

    def __init__(self, name: str, sign: str, identify: Callable[[], Machine]) -> None:
        self.name = name
        self.signs = (Sign(f"{DMI}/sys_vendor", sign),)
        self._identify = identify
        self.asked = self.closed = False
        self.options: ProviderOptions | None = None

    def from_options(self, options: ProviderOptions) -> "Cloud":
        self.options = options
        return self

    def identify(self) -> Machine:
        self.asked = True
        return self._identify()

    def poll(self) -> Observation:
        raise ProviderError("what is announced is unknown")

    def close(self) -> None:
        self.closed = True


def here() -> Machine:
    return Machine(provider="here", id="1", name="web-0")


def elsewhere() -> Machine:
    raise ProviderUnavailable("nothing answers at 169.254.169.254")


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says whose the machine is."""
    monkeypatch.setattr(detect, "ROOT", tmp_path)

    def write(text: str, file: str = "sys_vendor") -> None:
        (tmp_path / DMI).mkdir(parents=True, exist_ok=True)
        (tmp_path / DMI / file).write_text(text)

    return write


@pytest.fixture
def clouds(monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Cloud]]:
    def install(**identify: Callable[[], Machine]) -> dict[str, Cloud]:
        made = {name: Cloud(name, f"{name} inc", function) for name, function in identify.items()}
        plugins = Plugins(PROVIDERS, dict[str, Any](made), ())
        monkeypatch.setattr(detect, "load_plugins", lambda _group: plugins)
        monkeypatch.setattr(detect, "provider_class", plugins.get)
        return made

    return install


class TestTheSign:
    def test_is_the_whole_text_without_regard_to_case_and_blanks(self, tmp_path: Path) -> None:
        (tmp_path / "vendor").write_text(" Ships INC\n\0")
        assert sign_seen([Sign("vendor", "ships inc")], tmp_path) == "/vendor says 'Ships INC'"
        assert sign_seen([Sign("vendor", "ships"), Sign("none", ".*")], tmp_path) == ""

    @pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"x" * 10_000_000, b"\x1b[31m"])
    def test_is_not_there_where_the_file_is_something_else(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "vendor").write_bytes(content)
        assert sign_seen([Sign("vendor", "ships inc")], tmp_path) == ""

    @pytest.mark.parametrize(
        ("provider", "file", "text"),
        [
            ("azure", "chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77\n"),
            ("alibaba", "product_name", "Alibaba Cloud ECS\n"),
            ("aws", "sys_vendor", "Amazon EC2\n"),
            ("aws", "product_version", "4.2.amazon\n"),
            ("google", "product_name", "Google Compute Engine\n"),
        ],
    )
    def test_of_each_cloud_names_that_one_alone(
        self, vendor: Callable[..., None], tmp_path: Path, provider: str, file: str, text: str
    ) -> None:
        vendor(text, file)
        found = load_plugins(PROVIDERS).found
        assert [name for name in found if sign_seen(getattr(found[name], "signs", ()), tmp_path)] == [provider]

    def test_of_a_hypervisor_of_the_same_vendor_is_none(self, vendor: Callable[..., None], tmp_path: Path) -> None:
        vendor("Microsoft Corporation\n")
        vendor("Virtual Machine\n", "product_name")
        vendor("0000-0000-1111\n", "chassis_asset_tag")
        assert [sign_seen(getattr(each, "signs", ()), tmp_path) for each in load_plugins(PROVIDERS).found.values()] == [
            ""
        ] * len(load_plugins(PROVIDERS).found)


class TestAuto:
    def test_asks_only_the_cloud_whose_sign_is_here_and_says_why(self, vendor: Any, clouds: Any) -> None:
        vendor("B inc")
        made = clouds(a=here, b=here)
        choice = choose(AUTO)
        assert choice.provider is made["b"]
        assert choice.why == f"/{DMI}/sys_vendor says 'B inc'; it says that this is web-0"
        assert not made["a"].asked

    @pytest.mark.parametrize(
        ("answer", "why"),
        [
            (elsewhere, "nothing answers at 169.254.169.254"),
            (None, "it has not said within 0 s that this is its cloud"),
        ],
    )
    def test_takes_it_although_it_does_not_answer(
        self, vendor: Any, clouds: Any, monkeypatch: pytest.MonkeyPatch, answer: Any, why: str
    ) -> None:
        gate = threading.Event()
        if answer is None:
            monkeypatch.setattr(detect, "DETECTED_WITHIN", 0.0)
        vendor("b inc")
        made = clouds(a=here, b=answer or (lambda: here() if gate.wait(20) else elsewhere()))
        choice = choose(AUTO)
        gate.set()
        assert (choice.provider, made["b"].closed) == (made["b"], False)
        assert choice.why == f"/{DMI}/sys_vendor says 'b inc'; {why}"

    def test_without_a_sign_asks_all_side_by_side(self, vendor: Any, clouds: Any) -> None:
        vendor("another inc")
        met = threading.Barrier(2)

        def together(answer: Callable[[], Machine]) -> Callable[[], Machine]:
            def both() -> Machine:
                met.wait(20)
                return answer()

            return both

        made = clouds(a=together(elsewhere), b=together(here))
        choice = choose(AUTO)
        assert (choice.provider, choice.why) == (made["b"], "it says that this is web-0")

    def test_of_several_whose_sign_is_here_takes_the_one_that_answers(self, vendor: Any, clouds: Any) -> None:
        vendor("same")
        made = clouds(a=elsewhere, b=here, c=here)
        for name in "ab":
            made[name].signs = (Sign(f"{DMI}/sys_vendor", "same"),)
        choice = choose(AUTO)
        assert (choice.provider, made["a"].closed or not made["a"].asked, made["c"].asked) == (made["b"], True, False)

    def test_looks_at_no_sign_where_an_endpoint_is_given(self, vendor: Any, clouds: Any) -> None:
        vendor("b inc")
        made = clouds(a=here, b=elsewhere)
        assert choose(ProviderOptions(endpoint="http://127.0.0.1:1")).provider is made["a"]

    def test_says_of_the_others_that_they_were_not_asked(self, vendor: Any, clouds: Any) -> None:
        vendor("b inc")
        clouds(a=here, b=here)
        findings = {finding.name: finding.error for finding in survey(AUTO)}
        assert findings["a"] == f"it was not asked: /{DMI}/sys_vendor says 'b inc'"

    def test_gives_each_what_belongs_to_it(self, vendor: Any, clouds: Any) -> None:
        vendor("none")
        made = clouds(a=elsewhere, b=here)
        choose(replace(AUTO, own={"b": Source(settings={"queue": "q"}, region="r")}))
        assert made["a"].options == replace(AUTO, provider="a")
        assert made["b"].options == replace(AUTO, provider="b", settings={"queue": "q"}, region="r")

    def test_says_why_it_cannot_be_used_where_its_settings_are_wrong(
        self, vendor: Any, clouds: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(options: ProviderOptions) -> Cloud:
            raise SettingsError("b has no setting sails")

        vendor("b inc")
        made = clouds(a=here, b=here)
        monkeypatch.setattr(made["b"], "from_options", refuse)
        with pytest.raises(ProviderUnavailable, match=re.escape("b: b has no setting sails")):
            choose(AUTO)
