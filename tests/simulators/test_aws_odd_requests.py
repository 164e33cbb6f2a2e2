"""Requests to the APIs that no SDK would send: each is refused in a way that every SDK can read."""

import json
from http.client import HTTPConnection
from urllib.parse import urlsplit
from xml.etree import ElementTree as Xml

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

pytestmark = pytest.mark.usefixtures("only_this_machine")

FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
QUEUE = "http://localhost/123456789012/stormcone"


@pytest.fixture
def asked(aws):
    """Sends a body, signed as it is; answers the status and the body."""

    def ask(service, body, headers):
        request = AWSRequest("POST", f"{aws.url}/", data=body, headers=dict(headers))
        SigV4Auth(Credentials("testid", "testsecret"), service, "us-east-1").add_auth(request)
        place = urlsplit(aws.url)
        connection = HTTPConnection(place.hostname, place.port, timeout=10)
        try:
            connection.request("POST", "/", body=body, headers=dict(request.headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    return ask


@pytest.fixture
def ec2(asked):
    def ask(query):
        status, body = asked("ec2", f"Version=2016-11-15&{query}".encode(), FORM)
        error = Xml.fromstring(body).find(".//Error")  # noqa: S314 - our own simulator has written it
        return status, None if error is None else (error.findtext("Code"), error.findtext("Message"))

    return ask


@pytest.fixture
def sqs(asked):
    def ask(action, body):
        headers = {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{action}"}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, answer = asked("sqs", data, headers)
        return status, json.loads(answer).get("__type", "").rpartition("#")[2]

    return ask


class TestEc2:
    @pytest.mark.parametrize("number", ["%C2%B2", "--5", "5-", "9" * 5000], ids=["²", "--5", "5-", "5000 digits"])
    def test_a_number_that_is_none_is_refused(self, ec2, number):
        status, error = ec2(f"Action=DescribeInstanceStatus&MaxResults={number}")
        assert (status, error[0]) == (400, "InvalidParameterValue")

    def test_a_place_in_a_list_that_is_no_number_is_no_place(self, ec2):
        assert ec2("Action=DescribeInstanceStatus&InstanceId.%C2%B2=i-0zzz&Filter.%C2%B2.Name=x") == (200, None)

    def test_a_page_before_the_first_one_is_refused(self, ec2):
        status, error = ec2("Action=DescribeInstanceStatus&MaxResults=5&NextToken=LTU%3D")
        assert (status, error[0]) == (400, "InvalidParameterValue")

    def test_what_xml_cannot_hold_spoils_no_refusal(self, ec2):
        status, error = ec2("Action=Describe%1D%00%EF%BF%BFRegions")
        assert (status, error[0]) == (400, "InvalidAction")
        assert "Describe???Regions" in error[1]


class TestSqs:
    @pytest.mark.parametrize("entries", [[None], [[{"Id": "0"}]], ["x"]])
    def test_an_entry_that_is_no_object_is_refused(self, sqs, entries):
        body = {"QueueUrl": QUEUE, "Entries": entries}
        assert sqs("DeleteMessageBatch", body) == (400, "SerializationException")

    @pytest.mark.parametrize("identifier", [None, "", 5, ["0"]])
    def test_so_is_one_whose_id_is_no_text(self, sqs, identifier):
        body = {"QueueUrl": QUEUE, "Entries": [{"Id": identifier, "ReceiptHandle": "x"}]}
        assert sqs("DeleteMessageBatch", body) == (400, "InvalidBatchEntryId")

    @pytest.mark.parametrize("body", [b'{"MessageBody": "\\ud800"}', b"[" * 100_000], ids=["half a character", "deep"])
    def test_so_is_what_no_json_reader_takes(self, sqs, body):
        assert sqs("SendMessage", body) == (400, "SerializationException")
