"""What the service's error codes become."""

from datetime import UTC, datetime

import pytest

from stormcone_alibaba.errors import ApiFault, ApiRefused, ErrorKind, api_error, meaning, until_next_minute

NOW = datetime(2026, 4, 11, 22, 10, 12, tzinfo=UTC)

KINDS = {
    "SignatureDoesNotMatch": ErrorKind.SETUP,
    "InvalidAccessKeySecret": ErrorKind.SETUP,
    "IncompleteSignature": ErrorKind.SETUP,
    "InvalidAccessKeyId.NotFound": ErrorKind.SETUP,
    "InvalidAccessKeyId.Inactive": ErrorKind.SETUP,
    "InvalidSecurityToken.Expired": ErrorKind.SETUP,
    "InvalidTimeStamp.Expired": ErrorKind.SETUP,
    "InvalidTimeStamp.Format": ErrorKind.REFUSED,
    "SignatureNonceUsed": ErrorKind.PASSING,
    "InvalidRegionId.NotFound": ErrorKind.SETUP,
    "Throttling": ErrorKind.THROTTLED,
    "Throttling.User": ErrorKind.THROTTLED,
    "Throttling.Api": ErrorKind.THROTTLED,
    "Forbidden.RAM": ErrorKind.SETUP,
    "Forbidden.RiskControl": ErrorKind.SETUP,
    "NoPermission": ErrorKind.SETUP,
    "EntityNotExist.Role": ErrorKind.SETUP,
    "AuthenticationFail.OIDCToken.Expired": ErrorKind.SETUP,
    "AuthenticationFail.NoPermission": ErrorKind.SETUP,
    "ServiceUnavailable": ErrorKind.PASSING,
    "InternalError": ErrorKind.PASSING,
    "InvalidApi.NotFound": ErrorKind.SETUP,
    "OperationDenied.NotInWhiteList": ErrorKind.SETUP,
    "OperationConflict": ErrorKind.PASSING,
    "OperationFail.DiskStatusNotSupported": ErrorKind.REFUSED,
    "IncorrectInstanceStatus": ErrorKind.REFUSED,
    "InvalidNotBefore.Passed": ErrorKind.REFUSED,
    "InvalidInstanceId.NotFound": ErrorKind.REFUSED,
    "SimulatedEventLimitExceeded": ErrorKind.REFUSED,
    "InstanceIdLimitExceeded": ErrorKind.REFUSED,
    "EventIdLimitExceeded": ErrorKind.REFUSED,
    "CannotCancelSystemEvent.NotSimulated": ErrorKind.REFUSED,
    "InvalidEventId.NotFound": ErrorKind.REFUSED,
    "InvalidEventId.NoInquiringEventFound": ErrorKind.REFUSED,
    "MissingParameter": ErrorKind.REFUSED,
    "InvalidParameter.TimeEndBeforeStart": ErrorKind.REFUSED,
    "InvalidSignatureMethod": ErrorKind.REFUSED,
}

WORDS = {
    "SignatureDoesNotMatch": "the access key secret is wrong",
    "IncompleteSignature": "the access key secret is wrong",
    "InvalidAccessKeyId.NotFound": "the access key id is not known",
    "InvalidTimeStamp.Expired": "set the clock",
    "InvalidRegionId.NotFound": "no such region",
    "Throttling.User": "asked again in the next",
    "Forbidden.RAM": "let a RAM policy allow ecs:DescribeInstanceHistoryEvents",
}


def error(code, status=400, message="Some words.", secrets=()):
    action = "DescribeInstanceHistoryEvents"
    return api_error(action, code, status=status, message=message, now=NOW, secrets=secrets)


class TestTheTable:
    @pytest.mark.parametrize(("code", "kind"), KINDS.items())
    def test_says_what_becomes_of_a_request(self, code, kind):
        assert meaning(code).kind is kind

    @pytest.mark.parametrize(("code", "words"), WORDS.items())
    def test_says_what_to_do(self, code, words):
        assert words in str(error(code))

    @pytest.mark.parametrize("code", KINDS)
    def test_makes_one_sentence_of_one_line(self, code):
        text = str(error(code))
        assert text.startswith("Alibaba Cloud's DescribeInstanceHistoryEvents failed: ")
        assert code in text
        assert not {"\n", "{"} & set(text)

    @pytest.mark.parametrize("status", [400, 403, 404, 429, 503])
    def test_goes_by_the_code_and_not_by_the_status(self, status):
        assert isinstance(error("InvalidEventId.NotFound", status), ApiRefused)
        assert error("ServiceUnavailable", status).passing


class TestACodeThatNoTableKnows:
    @pytest.mark.parametrize(("status", "passing"), [(500, True), (502, True), (429, True), (400, False), (403, False)])
    def test_is_judged_by_its_status(self, status, passing):
        assert error("Novel.Code", status).passing is passing

    def test_shows_the_services_own_words(self):
        assert "'Quite new.'" in str(error("Novel.Code", message="Quite\n new."))

    def test_shows_no_more_than_fits_a_line(self):
        assert len(str(error("Novel.Code" * 100, message="x" * 5000))) < 500

    def test_shows_no_secret_in_them(self):
        said = str(error("Novel.Code", message="AccessKeyId=LTAI1&x=1 and a/b in a%2Fb", secrets=["a/b"]))
        assert "LTAI1" not in said
        assert "a/b" not in said
        assert "a%2Fb" not in said


class TestThrottling:
    @pytest.mark.parametrize(("second", "wait"), [(0, 61), (12, 49), (59, 2)])
    def test_is_waited_out_until_the_next_minute(self, second, wait):
        assert until_next_minute(NOW.replace(second=second)) == wait

    def test_says_how_long_to_wait(self):
        fault = error("Throttling.User")
        assert isinstance(fault, ApiFault)
        assert (fault.passing, fault.retry_after) == (True, 49)
