"""Settings of a provider: what they become, and the one sentence about each that cannot be used."""

import re
from pathlib import Path

import pytest
from hypothesis import given as every
from hypothesis import strategies as st

from stormcone.clouds.settings import Given, address, matching
from stormcone.errors import SettingsError

KNOWN = {"mode": "quick or slow", "key": "the key", "secret": "its secret", "host": "a URL", "tag": "KEY:VALUE"}


def given(**settings):
    return Given("lighthouse", settings, KNOWN)


class TestNames:
    def test_that_are_not_known_are_refused_with_those_that_are(self):
        with pytest.raises(SettingsError, match="lighthouse has no setting beam, colour; it has mode, key, secret, ho"):
            given(colour="red", beam="1")
        with pytest.raises(SettingsError, match="lighthouse has no setting colour; it has none"):
            Given("lighthouse", {"colour": "red"}, {})

    @pytest.mark.parametrize("nothing", ["", " "])
    def test_that_are_set_to_nothing_are_refused_and_not_passed_over(self, nothing):
        with pytest.raises(SettingsError, match="the setting host and key has no value; give it one, or leave it out"):
            given(key=nothing, host=nothing, tag="a:b")

    def test_that_are_not_set_are_what_is_usual(self):
        settings = given()
        assert "key" not in settings
        assert (settings.text("key", "k"), settings.path("key"), settings.address("host")) == ("k", None, None)


class TestValues:
    def test_are_chosen_without_regard_to_case(self):
        assert given(mode="QUICK").one_of("mode", {"quick": 1, "slow": 2}, 2) == 1
        assert given().one_of("mode", {"quick": 1, "slow": 2}, 2) == 2
        assert given(mode="True").yes_or_no("mode", default=False) is True
        with pytest.raises(SettingsError, match="the setting mode is quick or slow, not 'odd'"):
            given(mode="odd").one_of("mode", {"quick": 1, "slow": 2}, 2)

    @pytest.mark.parametrize("text", ["0", "9", "nan", "inf", "many", "1,5"])
    def test_that_are_no_number_within_bounds_are_refused(self, text):
        with pytest.raises(SettingsError, match=r"the setting mode is a number from 1 to 8\.5, not '"):
            given(mode=text).number("mode", 2.0, least=1, most=8.5)

    def test_are_read_as_what_they_are(self):
        settings = given(mode="8.5", key="a, b,a,", host="https://api.test/v1/", tag="env:prod:blue")
        assert settings.number("mode", 2.0, least=1, most=8.5) == 8.5
        assert settings.names("key") == ("a", "b")
        assert settings.address("host") == "https://api.test/v1"
        assert settings.pair("tag") == ("env", "prod:blue")
        assert given(key="k").path("key") == Path("k")

    @pytest.mark.parametrize("text", ["env", ":prod"])
    def test_that_are_no_pair_are_refused(self, text):
        with pytest.raises(SettingsError, match=f"the tag '{text}' is not of the form KEY:VALUE"):
            given(tag=text).pair("tag")

    def test_that_are_no_ids_are_refused_by_whose_they_cannot_be(self):
        assert matching("machine", None, re.compile("[a-z]+"), "Lighthouse") is None
        assert matching("machine", "abc", re.compile("[a-z]+"), "Lighthouse") == "abc"
        with pytest.raises(SettingsError, match="the machine 'a b' cannot be one of Lighthouse's; take its id"):
            matching("machine", "a b", re.compile("[a-z]+"), "Lighthouse")


class TestAddresses:
    @pytest.mark.parametrize("text", ["ftp://h", "h:80", "http://", "http://h:x", "http://h?q", "http://h#f", "//h"])
    def test_that_are_none_are_refused(self, text):
        with pytest.raises(SettingsError, match="the endpoint"):
            address("endpoint", text)

    @pytest.mark.parametrize("text", ["http://me:pass-word@h", "socks5://me:pass-word@h", "http://me:pass-word@h:x"])
    @pytest.mark.parametrize("secret", [True, False])
    def test_never_have_their_password_repeated(self, text, secret):
        if secret and text == "http://me:pass-word@h":
            assert address("proxy", text, secret=True) == text
            return
        with pytest.raises(SettingsError) as caught:
            address("proxy", text, secret=secret)
        assert "pass-word" not in str(caught.value)

    @every(st.text(max_size=40))
    def test_are_a_url_or_refused(self, text):
        try:
            said = address("endpoint", text)
        except SettingsError as error:
            said = str(error)
        assert said.startswith(("http://", "https://", "the endpoint "))
        assert len(said.splitlines()) == 1


class TestTogether:
    def test_some_need_one_another(self):
        given(key="k", secret="s").together("key", "secret")
        given().together("key", "secret")
        with pytest.raises(SettingsError, match="key and secret go together; set both or neither"):
            given(key="k").together("key", "secret")
        with pytest.raises(SettingsError, match="key, secret and host go together; set all or none"):
            given(key="k", secret="s").together("key", "secret", "host")

    def test_some_bear_no_other(self):
        given(key="k").apart("key", "mode")
        with pytest.raises(SettingsError, match="key and mode do not go together; leave one of them out"):
            given(key="k", mode="quick").apart("key", "mode")
        with pytest.raises(SettingsError, match="key and host name two keys; leave all but one of them out"):
            given(key="k", host="h").apart("key", "mode", "host", why="name two keys")
