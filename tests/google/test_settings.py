"""The provider's options: what they become, and what they cannot be."""

from datetime import timedelta
from pathlib import Path

import pytest

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError
from stormcone.model import Impact
from stormcone_google.settings import SETTINGS, read_settings


def read(*, endpoint=None, machine=None, region=None, **settings):
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    return read_settings(ProviderOptions(endpoint=endpoint, machine=machine, region=region, settings=given))


class TestDefaults:
    def test_ask_the_clouds_own_addresses(self):
        settings = read()
        assert settings.metadata_endpoint == "http://169.254.169.254"
        assert settings.api_endpoint == "https://compute.googleapis.com"
        assert (settings.machine, settings.region, settings.proxy, settings.credentials_file) == (None,) * 4

    def test_take_a_vm_that_is_preempted_to_be_lost(self):
        assert read().preemption is Impact.TERMINATE
        assert read().preemption_notice == timedelta(0)


class TestSettings:
    def test_are_read(self):
        settings = read(preemption="STOP", preemption_notice="120", credentials_file="key.json", proxy="http://p:3128")
        assert (settings.preemption, settings.preemption_notice) == (Impact.STOP, timedelta(minutes=2))
        assert (settings.credentials_file, settings.proxy) == (Path("key.json"), "http://p:3128")

    def test_one_endpoint_is_for_metadata_and_api_alike(self):
        settings = read(endpoint="http://127.0.0.1:1/machines/web-0/")
        assert settings.metadata_endpoint == settings.api_endpoint == "http://127.0.0.1:1/machines/web-0"
        assert read(endpoint="http://h", api_endpoint="https://api").api_endpoint == "https://api"

    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ({"colour": "red"}, "google has no setting colour; it has preemption, "),
            ({"preemption": "sleep"}, "preemption is stop or delete, not 'sleep'"),
            ({"preemption_notice": "-1"}, "preemption-notice is a number from 0 to 3600"),
            ({"machine": "web 0"}, "the machine 'web 0' cannot be one of Google Cloud's"),
            ({"region": "us/central"}, "the region 'us/central'"),
            ({"endpoint": "metadata"}, "the endpoint 'metadata'"),
            ({"api_endpoint": "ftp://api"}, "the api-endpoint"),
        ],
    )
    def test_that_cannot_be_used_are_refused(self, options, why):
        with pytest.raises(SettingsError, match=why):
            read(**options)

    def test_each_has_a_line_of_help(self):
        assert all(line and "\n" not in line for line in SETTINGS.values())
