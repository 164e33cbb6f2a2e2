"""A walk over all that Azure documents of its metadata service: each is done, or refused as Azure refuses."""

import tomllib
from pathlib import Path
from urllib.parse import urlencode

import pytest

SERVICE = tomllib.loads((Path(__file__).parent / "azure_service.toml").read_text())
VERSIONS = SERVICE["versions"]
ENDPOINTS = SERVICE["endpoint"]
HEADER = {"Metadata": "true"}
APPROVAL = b'{"StartRequests": [{"EventId": "%s"}]}'

each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=[endpoint["path"] for endpoint in ENDPOINTS])


def versions_of(endpoint):
    return endpoint.get("versions", [version for version in VERSIONS if version >= endpoint.get("since", "")])


def target(endpoint, version=None, **query):
    """A request in order, but for what is given; a parameter of the value None is left out."""
    versions = versions_of(endpoint)
    asked = {"api-version": version or versions[-1]} if versions else {}
    asked = {
        name: value for name, value in {**asked, **endpoint.get("query", {}), **query}.items() if value is not None
    }
    return endpoint["path"] + (f"?{urlencode(asked)}" if asked else "")


VERSIONED = [endpoint for endpoint in ENDPOINTS if versions_of(endpoint)]


@pytest.fixture
def ask(azure, machine):
    """A request; an approval has a body that is in order."""

    def ask(method, path, headers=None):
        headers = HEADER if headers is None else headers
        body = None
        if method == "POST":
            body = APPROVAL % azure.schedule("reboot", resources=["web-0"]).encode()
        return machine.ask(method, path, headers=headers, body=body)

    return ask


def in_order(answer, endpoint):
    assert answer.status == endpoint["status"], answer.body
    if "body" in endpoint:
        assert answer.json == endpoint["body"]


def refused(answer, endpoint, *words):
    """Refused with 400, in the words of the endpoint's kind."""
    assert answer.status == 400, answer.body
    if answer.headers["content-type"].startswith("text/plain"):
        text = answer.body.decode()
    else:
        text = answer.json["error_description" if "/identity/" in endpoint["path"] else "error"]
    assert text != "Identity not found"
    for word in words:
        assert word in text


@each_endpoint
class TestEveryEndpoint:
    def test_in_every_version_and_by_every_method_that_it_has(self, ask, endpoint):
        for version in versions_of(endpoint) or [None]:
            for method in endpoint["methods"]:
                in_order(ask(method, target(endpoint, version)), endpoint)

    def test_by_no_other_method(self, ask, endpoint):
        for method in set(SERVICE["methods"]) - set(endpoint["methods"]):
            answer = ask(method, target(endpoint))
            assert (answer.status, answer.headers["allow"]) == (405, ", ".join(endpoint["methods"]))

    def test_with_the_values_of_its_parameters(self, ask, endpoint):
        for name, values in endpoint.get("good", {}).items():
            for value in values:
                in_order(ask("GET", target(endpoint, **{name: value})), endpoint)

    def test_with_no_other_values(self, ask, endpoint):
        for name, values in endpoint.get("bad", {}).items():
            for value in values:
                refused(ask("GET", target(endpoint, **{name: value})), endpoint, name)

    def test_not_without_what_it_demands(self, ask, endpoint):
        for name in endpoint.get("query", {}):
            refused(ask("GET", target(endpoint, **{name: None})), endpoint, name)

    def test_with_no_parameter_that_it_does_not_have(self, ask, endpoint):
        for name in SERVICE["no_parameters"]:
            for method in endpoint["methods"]:
                refused(ask(method, target(endpoint, **{name: "1"})), endpoint, name)

    def test_with_no_parameter_twice(self, ask, endpoint):
        for name in [*(["api-version"] if versions_of(endpoint) else []), *endpoint.get("query", {})]:
            asked = target(endpoint)
            value = {"api-version": (versions_of(endpoint) or [""])[-1], **endpoint.get("query", {})}[name]
            refused(ask("GET", f"{asked}&{urlencode({name: value})}"), endpoint, name, "more than once")

    @pytest.mark.parametrize("headers", [{}, {"Metadata": ""}, {"Metadata": "false"}, {"Metadata-Flavor": "Google"}])
    def test_not_without_the_header(self, ask, endpoint, headers):
        for version in versions_of(endpoint) or [None]:
            for method in endpoint["methods"]:
                answer = ask(method, target(endpoint, version), headers)
                if version in endpoint.get("headerless", []):
                    in_order(answer, endpoint)
                else:
                    refused(answer, endpoint, "Required metadata header not specified")

    def test_not_through_a_proxy_that_says_so(self, ask, endpoint):
        for version in versions_of(endpoint) or [None]:
            for method in endpoint["methods"]:
                forwarded = {**HEADER, "X-Forwarded-For": "10.0.0.1"}
                refused(ask(method, target(endpoint, version), forwarded), endpoint, "X-Forwarded-For")

    def test_the_vendors_agent_writes_the_header_in_capitals(self, ask, endpoint):
        in_order(ask("GET", target(endpoint), {"metadata": "True"}), endpoint)

    def test_a_slash_at_the_end_and_capitals_do_not_matter(self, ask, endpoint):
        path, question, query = target(endpoint).partition("?")
        in_order(ask("GET", f"{path.upper()}/{question}{query}"), endpoint)


@pytest.mark.parametrize("endpoint", VERSIONED, ids=[endpoint["path"] for endpoint in VERSIONED])
def test_every_version_that_there_is_not_is_refused(ask, endpoint):
    others = {version for other in ENDPOINTS for version in versions_of(other)} - set(versions_of(endpoint))
    for version in [*SERVICE["no_versions"], *sorted(others)]:
        for method in endpoint["methods"]:
            path = endpoint["path"] + "?" + urlencode({"api-version": version, **endpoint.get("query", {})})
            refused(ask(method, path), endpoint, "api-version is invalid or was not specified in the request")
    path = endpoint["path"] + "?" + urlencode(endpoint.get("query", {}))
    refused(ask("GET", path), endpoint, "api-version is invalid or was not specified in the request")


class TestNowhere:
    @pytest.mark.parametrize("path", SERVICE["nowhere"]["paths"])
    def test_what_is_not_there_is_not_found(self, ask, path):
        for method in ("GET", "POST"):
            answer = ask(method, f"{path}?api-version=2021-02-01")
            assert answer.status == 404
            error = answer.json
            assert error == {"error": "Not found"} or error["error"] == "not_found"

    def test_nor_without_the_header(self, ask):
        assert ask("GET", "/metadata/nothing", {}).status == 400


class TestBodies:
    def test_without_a_version_the_newest_ones_are_named(self, ask):
        for endpoint in ENDPOINTS:
            if "newest" not in endpoint:
                continue
            answer = ask("GET", endpoint["path"])
            assert (answer.status, answer.json) == (
                400,
                {
                    "error": "Bad request. api-version is invalid or was not specified in the request. "
                    "For more information refer to aka.ms/azureimds",
                    "newest-versions": endpoint["newest"],
                },
            )

    def test_without_the_header(self, ask):
        answer = ask("GET", "/metadata/instance?api-version=2021-02-01", {})
        assert answer.json == {"error": "Bad request. Required metadata header not specified"}
        answer = ask("GET", "/metadata/identity/oauth2/token", {})
        description = "Required metadata header not specified"
        assert answer.json == {"error": "bad_request_102", "error_description": description}

    def test_a_token_without_a_resource(self, ask):
        answer = ask("GET", "/metadata/identity/oauth2/token?api-version=2018-02-01")
        description = "Required query variable 'resource' is missing"
        assert answer.json == {"error": "invalid_request", "error_description": description}

    @pytest.mark.parametrize(("status", "text"), SERVICE["errors"].items())
    def test_of_a_status_that_is_played(self, azure, ask, status, text):
        azure.faults.add(status=int(status))
        answer = ask("GET", "/metadata/scheduledevents?api-version=2020-07-01")
        assert (answer.status, answer.json) == (int(status), {"error": text})

    def test_who_asks_for_text_is_refused_in_text(self, azure, ask):
        azure.faults.add(status=429)
        answer = ask("GET", "/metadata/instance/compute/name?api-version=2021-02-01&format=text")
        assert (answer.status, answer.body) == (429, b"Too many requests")

    @pytest.mark.parametrize(
        "more",
        [b'"Extra": 1', b'"startRequests": []', b'"DocumentIncarnation": 2, "Events": []'],
    )
    def test_an_approval_with_a_field_that_there_is_not_is_refused(self, azure, machine, more):
        body = APPROVAL % azure.schedule("reboot", resources=["web-0"]).encode()
        assert machine.ask("POST", body=body[:-1] + b", " + more + b"}").status == 400
        nested = body.replace(b"}]}", b", " + more + b"}]}")
        assert machine.ask("POST", body=nested).status == 400
        assert azure.events()[0]["approved_by"] == []


class TestHeaders:
    def test_every_answer_is_dated_by_the_simulators_clock_and_signed(self, ask, clock):
        clock.advance(hours=1)
        for path in ("/metadata/versions", "/metadata/nothing", target(ENDPOINTS[0]), "/metadata/instance"):
            headers = ask("GET", path).headers
            assert headers["date"] == "Thu, 01 Jan 2026 01:00:00 GMT"
            assert headers["server"].startswith("IMDS/")


def test_the_versions_are_told(ask):
    assert ask("GET", "/metadata/versions").json == {"apiVersions": VERSIONS}


def test_the_root_lists_what_there_is(ask):
    lines = ask("GET", "/metadata?format=text&api-version=2017-04-02").body.decode().split("\n")
    assert "instance/" in lines
    for line in lines:
        path = f"/metadata/{line.rstrip('/')}"
        assert any(endpoint["path"].startswith(path) for endpoint in ENDPOINTS)
