"""Several providers on one command line: what belongs to which, and what belongs to none."""

import pytest
from click import UsageError

from stormcone.cli.options import sources_from
from stormcone.clouds.contract import AUTO, Source
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
