"""Several providers on one command line: what belongs to which, and what belongs to none."""

import pytest
from click import UsageError

from stormcone.cli.configured import sources_of
from stormcone.cli.options import sources_from
from stormcone.clouds.contract import AUTO, Source
from stormcone.config.load import load
from stormcone.errors import SettingsError

BOTH = ("aws", "aws-queue")


def sources(*provider, endpoint=(), machine=(), region=(), settings=()):
    return sources_from(provider, endpoint, machine, region, settings)


def test_one_is_the_usual_case_and_takes_all():
    assert sources() == (Source(provider=AUTO),)
    (only,) = sources("azure", endpoint=["http://a"], machine=["m"], region=["r"], settings=["api-version=1"])
    assert only == Source(provider="azure", endpoint="http://a", machine="m", region="r", settings={"api-version": "1"})


def test_of_several_an_address_and_a_region_are_for_all_a_machine_and_a_setting_for_the_first():
    first, second = sources(*BOTH, endpoint=["http://a"], machine=["i-1"], region=["r"], settings=["scope=region"])
    assert first == Source(provider="aws", endpoint="http://a", machine="i-1", region="r", settings={"scope": "region"})
    assert second == Source(provider="aws-queue", endpoint="http://a", region="r")


def test_what_names_a_provider_is_for_that_one():
    first, second = sources(
        *BOTH,
        endpoint=["http://a", "aws-queue=http://b?x=1"],
        region=["aws-queue=r"],
        settings=["scope=region", "aws-queue.queue=https://q/a.b?c=d"],
    )
    assert (first.endpoint, second.endpoint) == ("http://a", "http://b?x=1")
    assert (first.region, second.region) == (None, "r")
    assert (first.settings, second.settings) == ({"scope": "region"}, {"queue": "https://q/a.b?c=d"})


def test_a_dot_in_a_value_names_nobody():
    first, _ = sources(*BOTH, settings=["scope=a.b"])
    assert first.settings == {"scope": "a.b"}


@pytest.mark.parametrize(
    ("provider", "given", "why"),
    [
        (("aws", "aws"), {}, "twice"),
        (BOTH, {"endpoint": ["http://a", "http://b"]}, "--endpoint aws-queue=..."),
        (("azure",), {"endpoint": ["http://a", "http://b"]}, "give it once"),
        (BOTH, {"region": ["aws=a", "aws=b"]}, "twice for aws"),
        (BOTH, {"settings": ["aws-queu.queue=x"]}, "no provider here is aws-queu; write one of aws, aws-queue"),
        (BOTH, {"settings": ["aws-queue.queue"]}, "NAME=VALUE"),
    ],
)
def test_mistakes_are_refused(provider, given, why):
    with pytest.raises((UsageError, SettingsError), match=why):
        sources(*provider, **given)


class TestTables:
    """`[providers.NAME]` in the file: what belongs to one provider."""

    TEXT = (
        '[providers.azure]\napi-version = "2017-11-01"\nendpoint = "http://a"\nregion = "r"\nmachine = "m"\n'
        '[providers.aws-queue]\nqueue = "q"\n'
    )

    @pytest.fixture
    def found(self, tmp_path):
        def read(**flags):
            file = tmp_path / "stormcone.toml"
            file.write_text(self.TEXT)
            return sources_of(load(file=file, flags=flags, environment={}))

        return read

    def test_belong_to_their_provider_alone(self, found):
        assert found(provider=("azure", "aws-queue")) == (
            Source(
                provider="azure", endpoint="http://a", region="r", machine="m", settings={"api-version": "2017-11-01"}
            ),
            Source(provider="aws-queue", settings={"queue": "q"}),
        )

    def test_are_weaker_than_flags(self, found):
        (only,) = found(provider=("azure",), set=("api-version=2020-07-01",), endpoint=("http://b",))
        assert (only.settings, only.endpoint, only.region) == ({"api-version": "2020-07-01"}, "http://b", "r")

    def test_wait_for_the_provider_that_is_found(self, found):
        (only,) = found(provider=(AUTO,))
        assert (only.settings, sorted(only.own)) == ({}, ["aws-queue", "azure"])
        assert only.own["azure"].endpoint == "http://a"
