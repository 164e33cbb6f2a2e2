"""The metadata service: with a token where it gives one, without where it does not."""

import pytest

from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused
from stormcone_alibaba.metadata import TOKEN_SECONDS, MetadataReader

TOKEN = ("PUT", "/latest/api/token")
INSTANCE = ("GET", "/latest/meta-data/instance-id")


@pytest.fixture
def open_metadata(clock):
    opened = []

    def opening(endpoint):
        opened.append(MetadataReader(endpoint, clock))
        return opened[-1]

    yield opening
    for metadata in opened:
        metadata.close()


@pytest.fixture
def metadata(cloud, open_metadata):
    return open_metadata(cloud.url)


class TestTheToken:
    def test_is_asked_for_once_and_sent_with_everything(self, cloud, metadata):
        metadata.instance_id()
        metadata.region_id()
        assert [call for call in cloud.paths() if call == TOKEN] == [TOKEN]
        asked = [asked.headers.get("x-aliyun-ecs-metadata-token") for asked in cloud.asked]
        assert asked == [None, "a-token", "a-token"]
        assert cloud.asked[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"] == str(TOKEN_SECONDS)

    def test_is_renewed_before_it_ends(self, cloud, metadata, clock):
        metadata.instance_id()
        clock.advance(TOKEN_SECONDS - 30)
        metadata.instance_id()
        assert cloud.paths().count(TOKEN) == 2

    def test_is_renewed_when_it_is_refused(self, cloud, metadata):
        metadata.instance_id()
        metadata._token._token = "stale"
        cloud.demands_token = True
        assert metadata.instance_id() == "i-here"

    def test_is_done_without_where_there_is_none(self, cloud, metadata):
        cloud.gives_token = False
        assert metadata.instance_id() == "i-here"
        assert metadata.region_id() == "cn-hangzhou"
        assert cloud.paths().count(TOKEN) == 1

    def test_is_asked_for_again_after_a_while(self, cloud, metadata, clock):
        cloud.gives_token = False
        metadata.instance_id()
        clock.advance(minutes=6)
        metadata.instance_id()
        assert cloud.paths().count(TOKEN) == 2

    def test_that_is_demanded_and_not_given_is_an_error(self, cloud, metadata):
        cloud.gives_token, cloud.demands_token = False, True
        with pytest.raises(RequestRefused, match="refuses meta-data/instance-id"):
            metadata.instance_id()


class TestFacts:
    def test_are_read(self, metadata):
        facts = (metadata.instance_id(), metadata.region_id(), metadata.zone_id(), metadata.account())
        assert facts == ("i-here", "cn-hangzhou", "cn-hangzhou-i", "1234567890")

    def test_that_are_not_needed_may_be_missing(self, cloud, metadata):
        cloud.metadata.clear()
        assert (metadata.zone_id(), metadata.account(), metadata.role_name()) == ("", "", "")
        assert metadata.termination_time() is None

    @pytest.mark.parametrize("text", ["<html>Welcome</html>", "two words", "", "x" * 200, "cn-hangzhou.evil.test/"])
    def test_that_cannot_be_names_are_not_believed(self, cloud, metadata, text):
        cloud.metadata["region-id"] = text
        with pytest.raises(ProviderUnavailable, match="is not Alibaba Cloud's metadata service"):
            metadata.region_id()

    def test_that_are_needed_and_missing_mean_another_cloud(self, cloud, metadata):
        cloud.metadata.clear()
        with pytest.raises(ProviderUnavailable, match="it has no meta-data/instance-id"):
            metadata.instance_id()


class TestFaults:
    def test_where_nothing_listens_there_is_no_alibaba_cloud(self, open_metadata, dead_url):
        with pytest.raises(ProviderUnavailable, match="not an Alibaba Cloud instance"):
            open_metadata(dead_url).instance_id()

    def test_a_service_that_fails_is_unknown_and_not_elsewhere(self, cloud, metadata):
        cloud.metadata["instance-id"] = (503, b"later")
        with pytest.raises(ProviderError, match="status 503") as caught:
            metadata.instance_id()
        assert not isinstance(caught.value, ProviderUnavailable)

    def test_a_service_that_finds_the_request_at_fault_says_so(self, cloud, metadata):
        cloud.metadata["instance-id"] = (400, b"no")
        with pytest.raises(RequestRefused, match="status 400"):
            metadata.instance_id()

    def test_no_proxy_stands_between(self, metadata, dead_url, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", dead_url)
        assert metadata.instance_id() == "i-here"
