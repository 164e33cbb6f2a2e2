"""A value that is known to be secret is hidden wherever it turns up, with or without its name, however encoded."""

import json
from datetime import UTC, datetime
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.exchange import Exchange
from stormcone.clouds.secret_values import LONGEST, MOST, SHORTEST, SecretValues, hidden
from stormcone.clouds.trace import TraceRules
from stormcone.recording.secrets import scrubbed

TOKEN = 'CAISx+/2b=long"token\\of a session'
KEY = "LTAI5tKEYKEYKEYKEY"
SIGNATURE = "mark+1/2345678901234567890="
NOW = datetime(2026, 1, 1, tzinfo=UTC)

FORMS = {
    "as it is": lambda secret: secret,
    "in JSON": lambda secret: json.dumps(secret)[1:-1],
    "in JSON with escaped slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "in a URL": lambda secret: quote(secret, safe=""),
    "in a URL that keeps its slashes": quote,
    "in a form": quote_plus,
    "in a string to sign": lambda secret: quote(quote(secret, safe=""), safe=""),
    "in lower-case escapes": lambda secret: quote(secret, safe="").replace("%2B", "%2b").replace("%3D", "%3d"),
    "three times over": lambda secret: quote(quote(quote(secret, safe=""), safe=""), safe=""),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_in_every_form(form):
    assert hidden(f"the token {form(TOKEN)} is not valid", [TOKEN], "***") == "the token *** is not valid"


@pytest.mark.parametrize("secret", ["a secret", "\\\x1f", "\\\\é", '\\"\n', "é\\\\\t\\"], ids=ascii)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_backslashes_before_what_json_escapes_too(secret, form):
    assert hidden(f"<{form(secret)}>", [secret], "***") == "<***>"


@given(
    st.text(st.characters(exclude_characters="<>", codec="utf-8"), min_size=1),
    st.sampled_from([form for name, form in FORMS.items() if "lower" not in name]),
)
def test_any_secret_in_any_form(secret, form):
    assert hidden(f"<{form(secret)}>", [secret], "***") == "<***>"


def test_one_that_is_a_part_of_another_leaves_nothing_of_it():
    assert hidden("long-secret-value", ["secret", "long-secret-value"], "***") == "***"


def test_what_is_short_is_not_learnt_and_the_oldest_are_forgotten():
    known = SecretValues()
    known.learn(["x" * (SHORTEST - 1), "y" * (LONGEST + 1)])
    known.learn(f"secret-{number:04}" for number in range(MOST + 1))
    assert known.hidden("x" * (SHORTEST - 1), "***") == "x" * (SHORTEST - 1)
    assert known.hidden(f"secret-0000 secret-0001 secret-{MOST:04}", "***") == "secret-0000 *** ***"


def exchange(**changes):
    url = f"http://ecs/?Action=X&AccessKeyId={KEY}&SecurityToken={quote(TOKEN, safe='')}&Signature={quote(SIGNATURE)}"
    return Exchange(**{"at": NOW, "method": "POST", "url": url, "request_headers": {}, "status": 403, **changes})


def text_of(clean):
    return " ".join([clean.url, str(clean.request_body), str(clean.body), clean.fault, *clean.headers.values()])


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [TOKEN, KEY, SIGNATURE], ids=["token", "key id", "signature"])
def test_what_the_service_repeats_without_its_name_is_not_in_a_trace(secret, form):
    said = f"the specified value {form(secret)} does not match"
    for answer in (
        exchange(body=json.dumps({"Message": said}).encode()),
        exchange(body=said.encode()),
        exchange(fault=said),
        exchange(headers={"retry-after": said}),
    ):
        kept = text_of(scrubbed(answer, TraceRules()))
        assert form(secret) not in kept
        assert "(withheld)" in kept


def test_a_header_that_signs_is_taken_to_its_pieces():
    header = f"ACS3-HMAC-SHA256 Credential={KEY},SignedHeaders=host,Signature={'0123456789abcdef' * 4}"
    answer = exchange(
        url="http://ecs/",
        request_headers={"Authorization": header},
        body=f"no {KEY} and not {'0123456789abcdef' * 4}".encode(),
    )
    assert scrubbed(answer, TraceRules()).body == b"no (withheld) and not (withheld)"


def test_what_an_earlier_answer_handed_out_is_known_later():
    known = SecretValues()
    role = exchange(url="http://metadata/", body=json.dumps({"Roles": [{"SecurityToken": TOKEN}]}).encode())
    assert TOKEN not in text_of(scrubbed(role, TraceRules(), known))
    later = exchange(url="http://ecs/", body=f"{TOKEN} has expired".encode())
    assert scrubbed(later, TraceRules(), known).body == b"(withheld) has expired"


def test_an_answer_without_a_secret_stays_to_the_last_byte():
    for body in (b'{"a" :  "b"}\n', b"\xff\xfe\x00 rubbish", "straße %2B \\".encode()):
        assert scrubbed(exchange(body=body), TraceRules()).body == body
