"""DHCP option 245, as the clients write it down."""

import os
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormcone.clouds.contract import ProviderOptions
from stormcone.errors import SettingsError
from stormcone_azure import provider as provider_module
from stormcone_azure.dhcp import address_in, host_address
from stormcone_azure.provider import ENDPOINT, AzureProvider

DHCLIENT = """\
lease {{
  interface "eth0";
  fixed-address 10.0.0.4;
  option dhcp-server-identifier 168.63.129.16;
  option unknown-245 {value};
  expire 6 2157/11/25 01:48:29;
}}
"""
NETWORKD = """\
# This is private data. Do not parse.
ADDRESS=10.0.0.4
SERVER_ADDRESS=168.63.129.16
OPTION_245={value}
"""


class TestTheAddress:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            (DHCLIENT.format(value="64:41:60:82"), "100.65.96.130"),
            (DHCLIENT.format(value="64:41:60:82").replace("unknown", "private"), "100.65.96.130"),
            (DHCLIENT.format(value="a:1:2:3"), "10.1.2.3"),
            (NETWORKD.format(value="64416082"), "100.65.96.130"),
            (NETWORKD.format(value="A83F8110"), "168.63.129.16"),
            (NETWORKD.format(value="64416082").replace("OPTION_245", "private_245"), "100.65.96.130"),
            (DHCLIENT.format(value="64:41:60:82").replace("\n", "\r\n"), "100.65.96.130"),
        ],
    )
    def test_is_read_in_every_form(self, text, address):
        assert address_in(text) == IPv4Address(address)

    def test_of_the_last_lease_in_a_file_counts(self):
        text = DHCLIENT.format(value="64:41:60:82") + DHCLIENT.format(value="64:41:60:83")
        assert address_in(text) == IPv4Address("100.65.96.131")

    @pytest.mark.parametrize(
        "text",
        [
            "",
            DHCLIENT.format(value="64:41:60"),
            DHCLIENT.format(value="64:41:60:82:83"),
            DHCLIENT.format(value="zz:41:60:82"),
            DHCLIENT.format(value='"text"'),
            DHCLIENT.format(value="64:41:60:82").replace("245", "2450"),
            NETWORKD.format(value=""),
            NETWORKD.format(value="644160"),
            NETWORKD.format(value="00000000"),
            NETWORKD.format(value="7f000001"),
            NETWORKD.format(value="e0000001"),
            NETWORKD.format(value="ffffffff"),
            "# OPTION_245=64416082",
        ],
    )
    def test_that_is_none_is_none(self, text):
        assert address_in(text) is None

    @given(
        st.text()
        | st.text().map("option unknown-245 {};".format)
        | st.text("0123456789abcdef:; \n").map("OPTION_245={}".format)
    )
    def test_in_garbage_is_none_or_one_that_can_be_used(self, text):
        address = address_in(text)
        assert address is None or not (address.is_multicast or address.is_loopback)

    @given(st.ip_addresses(v=4))
    def test_comes_back_as_it_was_written(self, address):
        written = address_in(NETWORKD.format(value=address.packed.hex()))
        assert written == address_in(DHCLIENT.format(value=address.packed.hex(":")))
        assert written in {address, None}


@pytest.fixture
def lease(tmp_path):
    """Writes a lease file of a given age below the root directory of a machine, and answers that directory."""

    def write(name, text, age=0):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
        return tmp_path

    return write


class TestTheHost:
    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("var/lib/dhcp/dhclient.eth0.leases", DHCLIENT.format(value="64:41:60:82")),
            ("var/lib/dhclient/dhclient--eth0.lease", DHCLIENT.format(value="64:41:60:82")),
            ("var/lib/NetworkManager/internal-1f2e-eth0.lease", NETWORKD.format(value="64416082")),
            ("var/lib/NetworkManager/dhclient-1f2e-eth0.lease", DHCLIENT.format(value="64:41:60:82")),
            ("run/systemd/netif/leases/2", NETWORKD.format(value="64416082")),
        ],
    )
    def test_is_found_where_the_clients_keep_their_leases(self, lease, name, text):
        assert host_address(lease(name, text)) == "100.65.96.130"

    def test_is_that_of_the_newest_lease(self, lease):
        lease("run/systemd/netif/leases/2", NETWORKD.format(value="64416082"), age=60)
        lease("run/systemd/netif/leases/3", NETWORKD.format(value="64416083"), age=0)
        lease("run/systemd/netif/leases/4", NETWORKD.format(value="64416084"), age=30)
        root = lease("var/lib/dhcp/dhclient.leases", "lease {}", age=0)
        assert host_address(root) == "100.65.96.131"

    def test_in_a_virtual_network_is_at_the_static_address(self, lease):
        lease("run/systemd/netif/leases/2", NETWORKD.format(value="64416082"), age=60)
        root = lease("run/systemd/netif/leases/3", NETWORKD.format(value="a83f8110"), age=0)
        assert host_address(root) is None

    def test_without_a_lease_is_at_the_static_address(self, tmp_path):
        assert host_address(tmp_path) is None

    def test_is_looked_for_past_what_is_no_file(self, lease, tmp_path):
        (tmp_path / "run/systemd/netif/leases/9").mkdir(parents=True)
        (tmp_path / "run/systemd/netif/leases/8").symlink_to(tmp_path / "nowhere")
        assert host_address(lease("run/systemd/netif/leases/2", NETWORKD.format(value="64416082"))) == "100.65.96.130"


class TestTheEndpoint:
    @pytest.mark.parametrize(
        ("given_endpoint", "host", "url"),
        [
            (None, None, f"{ENDPOINT}/metadata/scheduledevents"),
            (None, "100.65.96.130", "http://100.65.96.130/metadata/scheduledevents"),
            ("http://127.0.0.1:1", "100.65.96.130", "http://127.0.0.1:1/metadata/scheduledevents"),
        ],
    )
    def test_is_the_given_one_or_that_of_the_lease_or_the_static_one(self, monkeypatch, given_endpoint, host, url):
        monkeypatch.setattr(provider_module, "host_address", lambda: host)
        provider = AzureProvider.from_options(ProviderOptions(endpoint=given_endpoint))
        provider.close()
        assert provider.events_url == f"{url}?api-version=2020-07-01"

    def test_is_not_looked_for_where_another_option_is_wrong(self, monkeypatch):
        monkeypatch.setattr(provider_module, "host_address", lambda: pytest.fail("leases were read"))
        with pytest.raises(SettingsError):
            AzureProvider.from_options(ProviderOptions(settings={"speed": "9"}))
