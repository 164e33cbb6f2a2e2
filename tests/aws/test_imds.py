"""The metadata service: version 2 with its tokens, version 1 where there are none, and how its failures are told."""

import pytest

from stormcone.errors import ProviderError, ProviderUnavailable, RequestRefused, Unreachable
from stormcone_aws.imds import PATIENT, QUICK, TOKEN_PATH, Imds
from stormcone_simulators.aws.imds.service import ImdsMode

INSTANCE = "meta-data/instance-id"
ASKED = ("GET", f"/latest/{INSTANCE}")
PUT = ("PUT", TOKEN_PATH)


@pytest.fixture
def imds_at(clock):
    opened = []

    def opening(url, timeouts=PATIENT):
        opened.append(Imds(url, clock, timeouts=timeouts))
        return opened[-1]

    yield opening
    for imds in opened:
        imds.close()


@pytest.fixture
def imds(service, imds_at):
    return imds_at(service.url)


class TestVersion2:
    def test_one_token_goes_with_everything_and_once_in_each_request(self, service, imds):
        for _ in range(3):
            assert imds.get(INSTANCE) == b"i-0123456789abcdef0"
        assert service.paths() == [PUT, ASKED, ASKED, ASKED]
        sent = [
            [value for name, value in headers if name == "x-aws-ec2-metadata-token"] for *_, headers in service.asked
        ]
        assert sent == [[], ["token-1"], ["token-1"], ["token-1"]]
        assert ("x-aws-ec2-metadata-token-ttl-seconds", "21600") in service.asked[0][2]
        assert imds.version() == 2

    def test_a_token_that_is_refused_is_dropped_and_asked_for_once_more(self, service, imds):
        imds.get(INSTANCE)
        service.token = b"token-2"
        assert imds.get(INSTANCE) == b"i-0123456789abcdef0"
        assert service.paths()[2:] == [ASKED, PUT, ASKED]
        sent = [value for name, value in service.asked[-1][2] if name == "x-aws-ec2-metadata-token"]
        assert sent == ["token-2"]

    def test_a_service_that_takes_none_of_its_tokens_is_asked_twice_and_no_more(self, service, imds):
        service.answers[ASKED[1]] = 401
        with pytest.raises(
            ProviderError, match="status 401, it demands a token, and takes none that it has given"
        ) as e:
            imds.get(INSTANCE)
        assert e.value.passing
        assert service.paths() == [PUT, ASKED, PUT, ASKED]

    def test_tokens_expire_by_the_services_clock(self, awss, imds_at, clock):
        imds = imds_at(awss(imds=ImdsMode.V2).url)
        imds.get(INSTANCE)
        clock.advance(hours=7)
        assert imds.get(INSTANCE) == b"i-aaa"

    def test_one_that_expires_early_is_renewed_when_it_is_refused(self, awss, imds_at, clock):
        aws = awss(imds=ImdsMode.V2)
        imds = imds_at(aws.url)
        imds.get(INSTANCE)
        imds._token._clock = type(clock)()  # one that stands still: the token is thought to be good
        clock.advance(hours=7)
        assert imds.get(INSTANCE) == b"i-aaa"
        assert [asked["status"] for asked in aws.requests()][2:] == [401, 200, 200]


class TestVersion1:
    @pytest.mark.parametrize("status", [403, 404, 405, 501])
    def test_is_spoken_where_tokens_are_refused_as_by_a_service_that_has_none(self, service, imds, status):
        service.token, service.demands = status, False
        assert imds.get(INSTANCE) == b"i-0123456789abcdef0"
        assert imds.version() == 1
        assert service.paths().count(PUT) == 1

    @pytest.mark.parametrize("status", [401, 429, 500, 503])
    def test_is_not_spoken_where_the_service_fails(self, service, imds, status):
        service.token, service.demands = status, False
        with pytest.raises(ProviderError, match=f"PUT .*{TOKEN_PATH} failed: status {status}"):
            imds.get(INSTANCE)
        assert service.paths() == [PUT]

    def test_is_not_spoken_to_a_service_that_knows_no_such_request(self, service, imds):
        service.token = 400
        with pytest.raises(ProviderUnavailable, match="is not AWS's metadata service"):
            imds.get(INSTANCE)

    def test_is_left_again_where_a_token_is_demanded(self, service, imds):
        service.token, service.demands = 404, False
        imds.get(INSTANCE)
        service.token, service.demands = b"token-1", True
        assert imds.get(INSTANCE) == b"i-0123456789abcdef0"
        assert imds.version() == 2


class TestATokenThatIsLost:
    def test_is_told_with_what_to_do_where_the_service_answers_otherwise(self, service, imds):
        service.token, service.demands = None, False  # hangs up, as where packets are dropped
        with pytest.raises(ProviderError) as said:
            imds.get(INSTANCE)
        for words in (
            "the token that it was asked for does not arrive",
            "--http-put-response-hop-limit 2",
            "container",
        ):
            assert words in str(said.value)
        assert said.value.passing

    def test_is_told_too_where_the_service_answers_that_it_wants_one(self, service, imds):
        service.token = None
        with pytest.raises(ProviderError, match="hop-limit"):
            imds.get(INSTANCE)

    def test_is_no_lost_one_where_nothing_is_answered_at_all(self, service, imds):
        service.token = service.answers[ASKED[1]] = None
        service.demands = False
        with pytest.raises(ProviderError) as said:
            imds.get(INSTANCE)
        assert "hop-limit" not in str(said.value)

    def test_never_comes_from_a_service_that_is_too_many_hops_away(self, awss, imds_at):
        imds = imds_at(awss(hops=1).url, timeouts=QUICK)
        with pytest.raises(ProviderError, match=r"no answer within 1 s; .*hop-limit"):
            imds.get(INSTANCE)
        assert imds_at(awss(hops=1, hop_limit=2).url).get(INSTANCE) == b"i-aaa"


class TestWhatIsNotThere:
    def test_is_none(self, imds):
        assert imds.get("meta-data/spot/instance-action") is None

    def test_is_an_error_where_metadata_is_off(self, awss, imds_at):
        with pytest.raises(RequestRefused, match=r"switched off for this instance: .*--http-endpoint enabled"):
            imds_at(awss(imds=ImdsMode.OFF).url).get(INSTANCE)

    def test_is_an_error_where_nobody_is_there(self, imds_at, service):
        service.close()
        with pytest.raises(Unreachable):
            imds_at(service.url).get(INSTANCE)

    def test_is_an_error_once_it_is_closed(self, imds):
        imds.close()
        with pytest.raises(ProviderError, match="closed"):
            imds.get(INSTANCE)


def test_where_nobody_has_named_an_address_a_no_takes_two_seconds_at_the_most():
    assert QUICK.whole <= 2.0
    assert QUICK.connect + QUICK.read <= 2.0
