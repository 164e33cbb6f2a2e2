"""What signs requests stays out of texts, in every shape in which it was seen."""

import logging
from urllib.parse import quote

import aliyunsdkcore.client  # noqa: F401 - so that its loggers are there
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone_alibaba.redact import LOGS, redacted, remember

STRING_TO_SIGN = "POST&%2F&AccessKeyId%3DLTAI1%26Action%3DX%26SecurityToken%3DCAIS%252B1%26SignatureNonce%3Dnonce1"


@pytest.mark.parametrize(
    "text",
    [
        "http://h/?Action=X&AccessKeyId=LTAI1&Signature=mark%2B1%3D&SecurityToken=CAIS%2B1",
        "{'Action': 'X', 'SecurityToken': 'CAIS+1', 'AccessKeyId': 'LTAI1'}",
        '{"AccessKeyId": "LTAI1", "Signature":"mark+1="}',
        f"Specified signature is not matched with our calculation. server string to sign is:{STRING_TO_SIGN}",
    ],
)
def test_the_named_parameters_lose_their_values(text):
    clean = redacted(text)
    assert [secret for secret in ("LTAI1", "mark", "CAIS", "nonce1") if secret in clean] == []
    assert "***" in clean


def test_what_is_beside_them_stays():
    text = "POST /?Action=X&AccessKeyId=1&SignatureMethod=HMAC-SHA1&RegionId=r HTTP/1.1"
    assert redacted(text) == text.replace("AccessKeyId=1", "AccessKeyId=***")


@given(st.text(min_size=1), st.text(), st.text())
def test_a_known_secret_is_hidden_however_it_is_encoded(secret, before, after):
    for form in (secret, quote(secret, safe=""), quote(quote(secret, safe=""), safe="")):
        clean = redacted(f"{before}{form}{after}", [secret])
        assert form not in clean or form in "***"


def test_logs_are_cleaned_before_any_handler_sees_them(caplog):
    LOGS.apply()
    LOGS.apply()
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3.connectionpool").debug('%s "POST %s" %s', "h", "/?Signature=sig1&AccessKeyId=LTAI1", 200)
    assert caplog.messages == ['h "POST /?Signature=***&AccessKeyId=***" 200']


def test_a_log_message_that_does_not_fit_its_arguments_is_left_to_logging():
    LOGS.apply()
    record = logging.LogRecord("urllib3.connectionpool", logging.DEBUG, "", 1, "%d", ("x",), None)
    assert logging.getLogger("urllib3.connectionpool").filter(record)


def test_what_the_sdk_says_of_a_fault_is_a_detail(caplog):
    """The provider's error tells of it, in one sentence."""
    LOGS.apply()
    sdk = logging.getLogger("aliyunsdkcore.client")
    with caplog.at_level(logging.INFO, logger="stormcone.alibaba"):
        sdk.error("ServerException occurred")
        assert caplog.messages == []
    with caplog.at_level(logging.DEBUG, logger="stormcone.alibaba"):
        sdk.error("ServerException occurred")
        assert caplog.messages == ["ServerException occurred"]


def test_a_value_that_begins_with_b_is_hidden_whole():
    assert redacted("Signature=bAd%3D&SignatureNonce=beef") == "Signature=***&SignatureNonce=***"


@pytest.fixture
def log(caplog):
    LOGS.apply()
    caplog.set_level(logging.DEBUG)
    return logging.getLogger("aliyunsdkcore.http.http_response")


@pytest.mark.parametrize("form", [str, quote, lambda secret: quote(quote(secret, safe=""), safe="")])
def test_a_value_that_is_remembered_is_hidden_in_logs_without_its_name(log, caplog, form):
    remember("CAIS+remembered/token=", "LTAI-remembered")
    log.debug("the token %s of %s is not valid", form("CAIS+remembered/token="), form("LTAI-remembered"))
    assert caplog.messages == ["the token *** of *** is not valid"]


def test_so_it_is_in_the_traceback_of_an_error(log, caplog):
    remember("CAIS+remembered/token=")
    try:
        raise ValueError("CAIS+remembered/token=")  # noqa: TRY301
    except ValueError:
        log.exception("failed")
    assert "remembered" not in caplog.text
    assert "ValueError: ***" in caplog.text
