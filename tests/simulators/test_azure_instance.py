"""The instance document: the fields of each version, parts of it, and the forms that it is given in."""

import ipaddress
import re
import tomllib
from pathlib import Path

import pytest

SERVICE = tomllib.loads((Path(__file__).parent / "azure_service.toml").read_text())
DOCUMENTS = SERVICE["document"]
NEWEST = SERVICE["versions"][-1]
HEADER = {"Metadata": "true"}


def address(part="", version=NEWEST, form=None):
    return f"/metadata/instance{part}?api-version={version}" + (f"&format={form}" if form else "")


def fields(node, path=""):
    """The paths of all values, without indices; an empty list is one."""
    if isinstance(node, dict):
        return {found for name, child in node.items() for found in fields(child, f"{path}.{name}" if path else name)}
    if isinstance(node, list) and node:
        return {found for item in node for found in fields(item, path)}
    return {path}


def values(node):
    """All single values."""
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else None
    return [node] if children is None else [value for child in children for value in values(child)]


def has(node, names):
    """Whether there is something at the path; in a list, in one of its items."""
    if not names:
        return True
    if isinstance(node, list):
        return any(has(item, names) for item in node)
    return isinstance(node, dict) and names[0] in node and has(node[names[0]], names[1:])


def walk(node, path=""):
    """Every node with its path."""
    yield path, node
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for name, child in children:
        yield from walk(child, f"{path}/{name}")


@pytest.fixture
def document(machine):
    return lambda version=NEWEST: machine.ask(path=address(version=version)).json


class TestVersions:
    @pytest.mark.parametrize("known", DOCUMENTS, ids=[known["version"] for known in DOCUMENTS])
    def test_a_version_has_the_fields_that_real_documents_have(self, document, known):
        besides = tuple(known.get("besides", []))
        found = {field for field in fields(document(known["version"])) if not (besides and field.startswith(besides))}
        assert found == set(known["fields"])

    def test_a_version_has_all_that_the_one_before_has(self, document):
        seen = set()
        for version in SERVICE["versions"][1:]:
            assert seen <= (seen := fields(document(version)))

    @pytest.mark.parametrize(("version", "new"), SERVICE["introduced"].items())
    def test_every_field_comes_with_its_version(self, document, version, new):
        before = SERVICE["versions"][SERVICE["versions"].index(version) - 1]
        for path in new:
            names = path.split(".")
            assert has(document(version), names), path
            assert not has(document(before), names), path

    def test_what_came_with_no_version_was_there_from_the_first(self, document):
        later = tuple(path for new in SERVICE["introduced"].values() for path in new)
        first = fields(document("2017-04-02"))
        for path in fields(document()) - first:
            assert path.startswith((*later, "compute.storageProfile.osDisk"))

    def test_every_value_is_a_string(self, document):
        assert {type(value) for value in values(document())} == {str}

    def test_a_field_cannot_be_asked_for_before_its_version(self, machine):
        path = "/compute/osProfile/computerName"
        assert machine.ask(path=address(path, "2020-06-01", "text")).status == 404
        assert machine.ask(path=address(path, "2020-07-15", "text")).body == b"web-0"


class TestParts:
    def test_every_node_can_be_asked_for_in_its_forms(self, machine, document):
        for path, node in walk(document()):
            as_json, as_text = (machine.ask(path=address(path, form=form)) for form in ("json", "text"))
            default = machine.ask(path=address(path))
            assert (default.status, default.body) == (as_json.status, as_json.body)
            assert as_text.status == 200
            assert as_text.headers["content-type"].startswith("text/plain")
            if isinstance(node, str):
                assert (as_json.status, as_text.body) == (400, node.encode())
            else:
                assert (as_json.status, as_json.json) == (200, node)

    def test_as_text_a_node_lists_what_is_below_it(self, machine):
        lines = {
            path: machine.ask(path=address(path, "2017-04-02", "text")).body.decode().split("\n")
            for path in ("", "/network/interface", "/network/interface/0", "/network/interface/0/ipv4/ipAddress/0")
        }
        assert lines == {
            "": ["compute/", "network/"],
            "/network/interface": ["0/"],
            "/network/interface/0": ["ipv4/", "ipv6/", "macAddress"],
            "/network/interface/0/ipv4/ipAddress/0": ["privateIpAddress", "publicIpAddress"],
        }

    def test_a_client_that_follows_the_lists_reads_the_whole_document(self, machine, document):
        def read(part):
            text = machine.ask(path=address(part, form="text")).body.decode()
            if not part.endswith("/") and part:
                return [text]
            return [value for line in text.split("\n") if line for value in read(f"{part or '/'}{line}")]

        assert read("") == values(document())

    @pytest.mark.parametrize(
        "part",
        [
            "/compute/nothing",
            "/compute/name/x",
            "/network/interface/1",
            "/network/interface/-1",
            "/network/interface/00",
            "/network/interface/first",
            "/network/interface/0/ipv4/ipAddress/1",
            "/compute/tagsList/0",
            "/compute//name",
        ],
    )
    def test_what_is_not_in_the_document_is_not_found(self, machine, part):
        answer = machine.ask(path=address(part))
        assert (answer.status, answer.json) == (404, {"error": "Not found"})
        answer = machine.ask(path=address(part, form="text"))
        assert (answer.status, answer.body) == (404, b"Not found")

    def test_a_single_value_says_how_to_ask_for_it(self, machine):
        answer = machine.ask(path=address("/compute/name"))
        assert answer.status == 400
        assert "format=text" in answer.json["error"]


class TestMachines:
    @pytest.fixture
    def interfaces(self, azures, machine_of):
        def interfaces(*machines):
            simulator = azures(machines)
            return [
                machine_of(simulator, name).ask(path=address("/network/interface/0")).json for name in simulator.urls()
            ]

        return interfaces

    def test_each_has_one_interface_with_an_address_of_its_own_in_the_subnet(self, interfaces):
        found = interfaces("web-0", "web-1", "web-2")
        (first, *_) = found
        for own in found:
            (ip,), (subnet,) = own["ipv4"]["ipAddress"], own["ipv4"]["subnet"]
            network = ipaddress.ip_network(f"{subnet['address']}/{subnet['prefix']}")
            assert ipaddress.ip_address(ip["privateIpAddress"]) in network
            assert re.fullmatch("000D3A[0-9A-F]{6}", own["macAddress"])
        assert first["ipv4"]["ipAddress"][0] == {"privateIpAddress": "10.0.0.4", "publicIpAddress": ""}
        assert len({own["macAddress"] for own in found}) == 3
        assert len({own["ipv4"]["ipAddress"][0]["privateIpAddress"] for own in found}) == 3

    def test_the_address_that_a_machine_is_known_by_is_its_own(self, interfaces):
        fourth, sixth = interfaces("web-0=192.0.2.7", "web-1=2001:db8::7")
        assert fourth["ipv4"]["ipAddress"][0]["privateIpAddress"] == "192.0.2.7"
        assert fourth["ipv4"]["subnet"] == [{"address": "192.0.0.0", "prefix": "16"}]
        assert fourth["ipv6"]["ipAddress"] == []
        assert sixth["ipv6"]["ipAddress"] == [{"privateIpAddress": "2001:db8::7"}]
        assert sixth["ipv4"]["ipAddress"][0]["privateIpAddress"] == "10.0.0.5"

    def test_a_public_key_is_one(self, document):
        import base64

        (key,) = document()["compute"]["publicKeys"]
        kind, data, _ = key["keyData"].split()
        assert base64.b64decode(data, validate=True)[4:].startswith(kind.encode())
        assert key["path"] == "/home/azureuser/.ssh/authorized_keys"

    @pytest.mark.parametrize(
        ("name", "host"), [("vmss_18", "vmss00000i"), ("vmss_0", "vmss000000"), ("vmss_x", "vmss_x"), ("vmss", "vmss")]
    )
    def test_a_scale_sets_machine_has_a_host_name_of_its_own(self, azures, machine_of, name, host):
        machine = machine_of(azures((f"{name}@set",), scale_sets=["set"]), name)
        compute = machine.ask(path=address("/compute")).json
        assert (compute["name"], compute["osProfile"]["computerName"]) == (name, host)
        assert compute["vmScaleSetName"] == "set"
