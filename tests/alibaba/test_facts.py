"""What the provider tells a person who looks for a fault."""

import pytest

from stormcone.clouds.contract import Explains


@pytest.fixture
def facts(open_provider):
    """The facts of a provider that knows its machine."""

    def facts(**settings):
        provider = open_provider(**settings)
        assert isinstance(provider, Explains)
        provider.identify()
        return provider.facts()

    return facts


def test_the_api_is_the_regions_unless_one_is_named(facts, cloud):
    assert facts(endpoint=cloud.url)["api"] == cloud.url
    assert facts(api_endpoint="https://ecs-vpc.cn-hangzhou.aliyuncs.com")["api"].startswith("https://ecs-vpc.")


def test_the_proxy_is_named_without_its_password(facts):
    assert facts()["proxy"] == "none"
    assert facts(proxy="http://me:hidden@proxy.example:3128")["proxy"] == "http://proxy.example:3128"


def test_the_environments_proxy_is_named_where_it_counts(facts, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://me:hidden@proxy.example:3128")
    assert facts()["proxy"] == "http://proxy.example:3128"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert facts()["proxy"] == "none"


def test_credentials_are_named_by_where_they_come_from(facts):
    assert facts()["credentials"] == "settings"


def test_where_there_are_no_credentials_the_rest_is_told_still(facts, cloud):
    assert facts(access_key_id=..., access_key_secret=...) == {"api": cloud.url, "proxy": "none"}
