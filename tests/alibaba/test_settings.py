"""The provider's options: what they become, and what they cannot be."""

from pathlib import Path

import pytest

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError
from stormcone.model import Scope
from stormcone_alibaba.settings import SETTINGS, read_settings


def read(*, endpoint=None, machine=None, region=None, **settings):
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    return read_settings(ProviderOptions(endpoint=endpoint, machine=machine, region=region, settings=given))


class TestDefaults:
    def test_watch_this_instance_at_the_clouds_own_addresses(self):
        settings = read()
        assert (settings.scope, settings.machine, settings.region) == (Scope.MACHINE, None, None)
        assert settings.metadata_endpoint == "http://100.100.100.200"
        assert settings.api_of("cn-hangzhou") == "https://ecs.cn-hangzhou.aliyuncs.com"
        assert settings.proxy is None
        assert settings.accept_inquired


class TestAddresses:
    def test_an_endpoint_takes_metadata_and_api_alike(self):
        settings = read(endpoint="http://127.0.0.1:8169/machines/i-1/")
        assert settings.metadata_endpoint == settings.api_of("r") == "http://127.0.0.1:8169/machines/i-1"

    def test_the_api_may_be_elsewhere(self):
        settings = read(api_endpoint="https://ecs-vpc.cn-hangzhou.aliyuncs.com")
        assert settings.metadata_endpoint == "http://100.100.100.200"
        assert settings.api_of("cn-hangzhou") == "https://ecs-vpc.cn-hangzhou.aliyuncs.com"

    @pytest.mark.parametrize(
        "url", ["ftp://h", "h:80", "http://", "http://h:x", "http://h?q", "http://h#f", "http://[h"]
    )
    @pytest.mark.parametrize("name", ["endpoint", "api_endpoint", "proxy"])
    def test_that_are_none_are_refused(self, name, url):
        with pytest.raises(SettingsError, match=name.replace("_", "-")):
            read(**{name: url})

    def test_a_proxys_password_is_not_repeated(self):
        settings = read(proxy="http://me:pass-word@proxy:3128")
        assert settings.proxy == "http://me:pass-word@proxy:3128"
        assert "pass-word" not in repr(settings)
        with pytest.raises(SettingsError) as caught:
            read(proxy="socks5://me:pass-word@proxy:3128")
        assert "pass-word" not in str(caught.value)


class TestARegion:
    def test_is_watched_whole_or_in_part(self):
        assert read(scope="region", region="cn-hangzhou").scope is Scope.REGION
        assert read(scope="region", instances="i-1, i-2,i-1,").instances == ("i-1", "i-2")
        assert read(scope="REGION", tag="env:prod:blue").tag == ("env", "prod:blue")

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"instances": "i-1"}, "add the setting scope=region"),
            ({"tag": "a:b"}, "add the setting scope=region"),
            ({"scope": "region", "instances": "i-1", "tag": "a:b"}, "do not go together"),
            ({"scope": "region", "machine": "i-1"}, "use the setting instances"),
            ({"scope": "region", "tag": "env"}, "KEY:VALUE"),
            ({"scope": "region", "instances": "i-1,i 2"}, "the instance 'i 2'"),
            ({"scope": "planet"}, "scope is machine or region, not 'planet'"),
        ],
    )
    def test_that_is_asked_for_wrongly_is_refused(self, options, why):
        with pytest.raises(SettingsError, match=why):
            read(**options)


class TestOthers:
    def test_an_unknown_one_is_refused_with_those_there_are(self):
        with pytest.raises(SettingsError, match=r"no setting colour; it has scope, instances, .*proxy"):
            read(colour="red")

    @pytest.mark.parametrize("region", ["cn-hangzhou.evil.test", "West Europe", "a/b"])
    def test_a_region_that_is_no_part_of_a_hosts_name_is_refused(self, region):
        with pytest.raises(SettingsError, match="the region"):
            read(region=region)

    @pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False)])
    def test_consent_can_be_withheld(self, text, value):
        assert read(accept_inquired=text).accept_inquired is value

    def test_consent_is_yes_or_no(self):
        with pytest.raises(SettingsError, match="accept-inquired is true or false, not 'maybe'"):
            read(accept_inquired="maybe")

    @pytest.mark.parametrize(
        "options",
        [{"access_key_id": "only-id"}, {"access_key_secret": "only-secret"}, {"security_token": "only-token"}],
    )
    def test_half_a_credential_is_refused_without_showing_it(self, options):
        with pytest.raises(SettingsError) as caught:
            read(**options)
        assert "only-" not in str(caught.value)

    def test_credentials_go_to_the_chain(self):
        found = read(access_key_id="a", access_key_secret="b", security_token="c")
        explicit = found.credentials
        assert (explicit.access_key_id, explicit.access_key_secret, explicit.security_token) == ("a", "b", "c")
        assert read(profile_file="f").credentials.profile_file == Path("f")
        assert (read(profile="p").credentials.profile, read(role="r").credentials.role) == ("p", "r")

    def test_credentials_are_named_in_one_way(self):
        with pytest.raises(SettingsError, match="profile and role name different credentials; leave all but one"):
            read(profile="p", role="r")

    @pytest.mark.parametrize(
        "told",
        [{"profile_file": "f", "role": "r"}, {"profile_file": "f", "access_key_id": "a", "access_key_secret": "b"}],
    )
    def test_a_file_of_profiles_is_one_of_the_ways(self, told):
        with pytest.raises(SettingsError, match=r"and profile-file name|profile-file and role name"):
            read(**told)

    def test_a_file_and_one_of_its_profiles_are_the_same_way(self):
        credentials = read(profile="p", profile_file="f").credentials
        assert (credentials.profile, credentials.profile_file) == ("p", Path("f"))

    @pytest.mark.parametrize("name", SETTINGS)
    @pytest.mark.parametrize("value", ["", " "])
    def test_one_without_a_value_is_refused_and_not_passed_over(self, name, value):
        with pytest.raises(SettingsError, match=f"the setting {name} has no value; give it one, or leave it out"):
            read(**{name: value})

    def test_each_has_a_line_of_help(self):
        assert all(line and "\n" not in line for line in SETTINGS.values())
