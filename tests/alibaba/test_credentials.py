"""Where credentials come from, which win, and that nobody sees them."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from stormcone.errors import ProviderError, ProviderUnavailable
from stormcone_alibaba.credentials import OIDC, URI, CredentialChain, Credentials, CredentialsUnusable, Explicit
from stormcone_alibaba.metadata import MetadataReader

ROLE = "ram/security-credentials/"
SETTINGS = Explicit(access_key_id="set-id", access_key_secret="set-secret")


@pytest.fixture
def profile_file(tmp_path):
    return tmp_path / ".aliyun" / "config.json"


@pytest.fixture
def write_profiles(profile_file):
    def write(*profiles, current="default"):
        profile_file.parent.mkdir(exist_ok=True)
        profile_file.write_text(json.dumps({"current": current, "profiles": list(profiles)}))

    return write


@pytest.fixture
def give_role(cloud, clock):
    def give(lasts=timedelta(hours=6), **changes):
        document = {
            "AccessKeyId": "STS.role-id",
            "AccessKeySecret": "role-secret",
            "SecurityToken": "role-token",
            "Expiration": (clock.now() + lasts).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Code": "Success",
        }
        cloud.metadata[ROLE] = "watcher"
        cloud.metadata[f"{ROLE}watcher"] = json.dumps({**document, **changes})

    return give


@pytest.fixture
def find(cloud, clock):
    """Opens a chain; answers its `get`."""
    opened = []

    def finding(explicit=None):
        opened.append(MetadataReader(cloud.url, clock))
        return CredentialChain(explicit or Explicit(), opened[-1], clock).get

    yield finding
    for metadata in opened:
        metadata.close()


def ak(name="default", **changes):
    return {"name": name, "mode": "AK", "access_key_id": f"{name}-id", "access_key_secret": "secret", **changes}


class TestTheOrder:
    def test_is_settings_environment_profile_role(self, find, monkeypatch, write_profiles, give_role):
        give_role()
        assert find()().source == "RAM role 'watcher' of this instance"
        write_profiles(ak())
        assert find()().source == "profile 'default' in ~/.aliyun/config.json"
        monkeypatch.setenv("ALIYUN_ACCESS_KEY_ID", "old-id")
        monkeypatch.setenv("ALIYUN_ACCESS_KEY_SECRET", "old-secret")
        assert find()().source == "environment (ALIYUN_ACCESS_KEY_ID)"
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id")
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "env-secret")
        assert find()().source == "environment (ALIBABA_CLOUD_ACCESS_KEY_ID)"
        assert find(SETTINGS)().source == "settings"
        assert find(SETTINGS)().access_key_id == "set-id"

    def test_without_any_every_place_is_named(self, find):
        with pytest.raises(ProviderUnavailable) as caught:
            find()()
        text = str(caught.value)
        for place in (
            "settings: no access-key-id",
            "environment: no ALIBABA",
            "config.json: no such file",
            "RAM role",
            URI,
        ):
            assert place in text
        assert "set ALIBABA_CLOUD_ACCESS_KEY_ID" in text

    def test_off_the_cloud_the_role_is_one_more_place_without(self, dead_url, clock):
        metadata = MetadataReader(dead_url, clock)
        with pytest.raises(ProviderUnavailable, match="of this instance: this is not an Alibaba Cloud instance"):
            CredentialChain(Explicit(), metadata, clock).get()
        metadata.close()


class TestTheEnvironment:
    def test_may_hold_temporary_ones(self, find, monkeypatch):
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id")
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "env-secret")
        monkeypatch.setenv("ALIBABA_CLOUD_SECURITY_TOKEN", "env-token")
        assert find()().security_token == "env-token"

    @pytest.mark.parametrize(
        ("given", "lacks"),
        [
            ({"ALIBABA_CLOUD_ACCESS_KEY_ID": "x"}, "it has no ALIBABA_CLOUD_ACCESS_KEY_SECRET;"),
            ({"ALIBABA_CLOUD_ACCESS_KEY_SECRET": "x"}, "it has no ALIBABA_CLOUD_ACCESS_KEY_ID;"),
            ({"ALIYUN_ACCESS_KEY_ID": "x"}, "it has no ALIYUN_ACCESS_KEY_SECRET;"),
            (
                {"ALIBABA_CLOUD_SECURITY_TOKEN": "x", "ALIYUN_ACCESS_KEY_ID": "x", "ALIYUN_ACCESS_KEY_SECRET": "x"},
                "it has no ALIBABA_CLOUD_ACCESS_KEY_ID and no ALIBABA_CLOUD_ACCESS_KEY_SECRET;",
            ),
            ({OIDC[0]: "/token"}, f"it has no {OIDC[1]} and no {OIDC[2]};"),
            ({OIDC[0]: "/token", OIDC[2]: "acs:ram::1:role/r"}, f"it has no {OIDC[1]};"),
            ({OIDC[1]: "acs:ram::1:oidc-provider/p", OIDC[2]: "acs:ram::1:role/r"}, f"it has no {OIDC[0]};"),
        ],
    )
    def test_with_half_of_what_goes_together_is_an_error(
        self, find, monkeypatch, write_profiles, give_role, given, lacks
    ):
        give_role()
        write_profiles(ak())
        for name, value in given.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(CredentialsUnusable, match=lacks) as caught:
            find()()
        assert not caught.value.passing

    def test_that_names_the_sdks_own_file_is_an_error_and_not_the_role(
        self, find, monkeypatch, write_profiles, give_role
    ):
        give_role()
        write_profiles(ak())
        monkeypatch.setenv("ALIBABA_CLOUD_CREDENTIALS_FILE", "/etc/sdk.ini")
        with pytest.raises(CredentialsUnusable, match=r"ALIBABA_CLOUD_CREDENTIALS_FILE names .* unset it") as caught:
            find()()
        assert not caught.value.passing

    def test_may_name_the_instances_role(self, find, monkeypatch, write_profiles, give_role, cloud):
        give_role()
        cloud.metadata[ROLE] = "another"
        write_profiles(ak())
        monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "watcher")
        found = find()()
        assert found.access_key_id == "STS.role-id"
        assert found.source == "RAM role 'watcher' of this instance (ALIBABA_CLOUD_ECS_METADATA)"
        monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA", "nobody")
        with pytest.raises(ProviderError, match="no usable credentials for the RAM role 'nobody'"):
            find()()

    def test_that_names_a_role_and_no_way_to_it_says_nothing(self, find, monkeypatch, give_role):
        give_role()
        monkeypatch.setenv(OIDC[2], "acs:ram::1:role/r")
        assert find()().source.startswith("RAM role")


class TestProfiles:
    def test_the_current_one_counts(self, find, write_profiles):
        write_profiles(ak("one"), ak("two"), current="two")
        assert find()().access_key_id == "two-id"

    def test_the_environment_names_another(self, find, write_profiles, monkeypatch):
        write_profiles(ak("one"), ak("two"), current="two")
        monkeypatch.setenv("ALIBABA_CLOUD_PROFILE", "one")
        assert find()().access_key_id == "one-id"

    def test_the_settings_name_another_and_another_file(self, find, write_profiles, profile_file, tmp_path):
        write_profiles(ak("one"), ak("two"), current="two")
        elsewhere = profile_file.rename(tmp_path / "elsewhere.json")
        found = find(Explicit(profile="one", profile_file=elsewhere))()
        assert (found.access_key_id, found.source) == ("one-id", f"profile 'one' in {elsewhere}")

    def test_may_hold_temporary_ones(self, find, write_profiles):
        write_profiles(ak(mode="StsToken", sts_token="a-token"))
        assert find()().security_token == "a-token"

    @pytest.mark.parametrize(
        ("profiles", "why"),
        [
            ([], "it has no profile 'default'"),
            ([ak(mode="Astrolabe")], "is of mode Astrolabe, and only AK, StsToken, EcsRamRole, .* are understood"),
            ([ak(mode="External", process_command="touch /tmp/x")], "is of mode External, and only"),
            ([ak(access_key_secret="")], "'default' of mode AK is not complete: it has no access_key_secret;"),
            ([ak(mode="StsToken")], "'default' of mode StsToken is not complete: it has no sts_token;"),
            ([7, ak(access_key_id=7)], "'default' of mode AK is not complete: it has no access_key_id;"),
            ([ak(mode="ChainableRamRoleArn", ram_role_arn="a", source_profile="x")], "it has no profile 'x'"),
            ([ak(mode="ChainableRamRoleArn", ram_role_arn="a", source_profile="default")], "refers to itself"),
            ([ak(mode="RamRoleArn", ram_role_arn="a", expired_seconds=7)], "expired_seconds is a number from 900 to"),
            ([ak(mode="RamRoleArn", ram_role_arn="a", expired_seconds="an hour")], "expired_seconds is a number"),
        ],
    )
    def test_that_cannot_be_used_are_an_error_and_not_the_role(self, find, write_profiles, give_role, profiles, why):
        give_role()
        write_profiles(*profiles)
        with pytest.raises(CredentialsUnusable, match=why) as caught:
            find()()
        assert "leave profiles out with ALIBABA_CLOUD_IGNORE_PROFILE=TRUE" in str(caught.value)
        assert not caught.value.passing

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"profiles": 1}', '{"current": []}', "\x80"])
    def test_a_broken_file_is_an_error_and_not_the_role(self, find, write_profiles, profile_file, give_role, text):
        write_profiles()
        profile_file.write_text(text, encoding="latin-1")
        give_role()
        with pytest.raises(CredentialsUnusable, match=r"config.json cannot be used: it (is not JSON|has no profile)"):
            find()()

    def test_a_directory_is_no_file(self, find, profile_file, give_role):
        give_role()
        profile_file.mkdir(parents=True)
        with pytest.raises(CredentialsUnusable, match="it cannot be read: Is a directory"):
            find()()

    @pytest.mark.parametrize("in_place_of_the_folder", [False, True])
    def test_no_file_is_no_error(self, find, profile_file, give_role, in_place_of_the_folder):
        if in_place_of_the_folder:
            profile_file.parent.write_text("no folder")
        give_role()
        assert find()().source.startswith("RAM role")

    def test_no_file_is_one_where_it_was_named(self, find, monkeypatch, give_role, tmp_path):
        give_role()
        elsewhere = tmp_path / "elsewhere.json"
        with pytest.raises(CredentialsUnusable, match=r"profiles are named, and there is no file .*elsewhere.json"):
            find(Explicit(profile_file=elsewhere))()
        with pytest.raises(CredentialsUnusable, match=r"the profile 'one' is named, and there is no file ~/.aliyun"):
            find(Explicit(profile="one"))()
        monkeypatch.setenv("ALIBABA_CLOUD_PROFILE", "two")
        with pytest.raises(CredentialsUnusable, match=r"the profile 'two' is named, and there is no file ~/.aliyun"):
            find()()

    def test_one_that_the_settings_name_goes_before_the_environment(self, find, write_profiles, monkeypatch):
        write_profiles(ak("one"), ak("two"))
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "env-id")
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "env-secret")
        assert find(Explicit(profile="two"))().access_key_id == "two-id"

    def test_that_lead_to_the_role_say_which(self, find, write_profiles, give_role, cloud):
        give_role()
        write_profiles({"name": "default", "mode": "EcsRamRole"})
        assert find()().source == "profile 'default' in ~/.aliyun/config.json (EcsRamRole)"
        write_profiles({"name": "default", "mode": "EcsRamRole", "ram_role_name": "watcher"})
        del cloud.metadata[ROLE]
        assert find()().access_key_id == "STS.role-id"

    def test_that_lead_to_a_role_that_there_is_not_are_an_error(self, find, write_profiles, cloud, monkeypatch):
        write_profiles({"name": "default", "mode": "EcsRamRole"})
        with pytest.raises(CredentialsUnusable, match="this instance has no RAM role; attach one"):
            find()()
        monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        with pytest.raises(CredentialsUnusable, match="ALIBABA_CLOUD_ECS_METADATA_DISABLED is set; unset it"):
            find()()

    def test_can_be_switched_off(self, find, write_profiles, monkeypatch):
        write_profiles(ak())
        monkeypatch.setenv("ALIBABA_CLOUD_IGNORE_PROFILE", "TRUE")
        with pytest.raises(ProviderUnavailable, match="ALIBABA_CLOUD_IGNORE_PROFILE is set"):
            find()()


class TestTheRole:
    def test_has_temporary_ones(self, find, give_role):
        give_role()
        found = find()()
        assert (found.access_key_id, found.security_token) == ("STS.role-id", "role-token")

    def test_is_asked_again_only_before_they_end(self, find, give_role, cloud, clock):
        give_role(timedelta(hours=1))
        get = find()
        get()
        before = len(cloud.asked)
        clock.advance(minutes=49)
        get()
        assert len(cloud.asked) == before
        give_role(timedelta(hours=1), AccessKeyId="STS.next")
        clock.advance(minutes=2)
        assert get().access_key_id == "STS.next"

    def test_serves_until_its_end_if_it_cannot_be_renewed(self, find, give_role, cloud, clock):
        give_role(timedelta(hours=1))
        get = find()
        get()
        cloud.metadata[f"{ROLE}watcher"] = (503, b"")
        clock.advance(minutes=55)
        assert get().access_key_id == "STS.role-id"
        clock.advance(minutes=6)
        with pytest.raises(ProviderError, match="status 503"):
            get()

    def test_can_be_named(self, find, give_role, cloud):
        give_role()
        del cloud.metadata[ROLE]
        assert find(Explicit(role="watcher"))().access_key_id == "STS.role-id"

    @pytest.mark.parametrize("broken", ["", "{", "[]", '{"Code": "Failed", "AccessKeySecret": "role-secret"}'])
    def test_with_a_broken_document_is_an_error_that_holds_nothing_of_it(self, find, give_role, cloud, broken):
        give_role()
        cloud.metadata[f"{ROLE}watcher"] = broken
        with pytest.raises(ProviderError, match="no usable credentials for the RAM role 'watcher'") as caught:
            find()()
        assert "role-secret" not in str(caught.value)

    def test_without_a_readable_end_is_asked_for_every_time(self, find, give_role):
        give_role(Expiration="tomorrow")
        get = find()
        get()
        give_role(AccessKeyId="STS.next")
        assert get().access_key_id == "STS.next"

    def test_can_be_switched_off(self, find, give_role, cloud, monkeypatch):
        give_role()
        monkeypatch.setenv("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
        with pytest.raises(ProviderUnavailable, match="ALIBABA_CLOUD_ECS_METADATA_DISABLED is set"):
            find()()
        assert cloud.asked == []


class TestNobodySees:
    def test_them_in_a_repr(self, temporary):
        for shown in (repr(temporary), str(temporary), repr(replace(SETTINGS, security_token="set-token"))):
            assert [
                secret for secret in (*temporary.secrets, "set-id", "set-secret", "set-token") if secret in shown
            ] == []

    def test_more_than_their_source_in_the_log(self, find, caplog):
        caplog.set_level("DEBUG")
        find(SETTINGS)()
        assert caplog.messages == ["credentials for Alibaba Cloud come from: settings"]

    def test_a_source_that_says_anything_else(self):
        assert repr(Credentials(access_key_id="a", access_key_secret="b", source="here")) == (
            "Credentials(source='here', expires=None)"
        )
