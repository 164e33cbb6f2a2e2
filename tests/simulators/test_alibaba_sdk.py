"""The vendor's own SDKs against the simulator: the old one as it is and with a session of ours, and the newer one."""

import json
from datetime import timedelta

import pytest
import requests
from aliyunsdkcore.acs_exception.exceptions import ClientException, ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from aliyunsdkcore.request import CommonRequest
from aliyunsdkecs.request.v20140526.AcceptInquiredSystemEventRequest import AcceptInquiredSystemEventRequest
from aliyunsdkecs.request.v20140526.CancelSimulatedSystemEventsRequest import CancelSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.CreateSimulatedSystemEventsRequest import CreateSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceHistoryEventsRequest import DescribeInstanceHistoryEventsRequest
from aliyunsdkecs.request.v20140526.DescribeInstanceMaintenanceAttributesRequest import (
    DescribeInstanceMaintenanceAttributesRequest,
)
from aliyunsdkecs.request.v20140526.DescribeInstancesFullStatusRequest import DescribeInstancesFullStatusRequest
from aliyunsdkecs.request.v20140526.DescribeInstancesRequest import DescribeInstancesRequest
from aliyunsdkecs.request.v20140526.ModifyInstanceMaintenanceAttributesRequest import (
    ModifyInstanceMaintenanceAttributesRequest,
)
from aliyunsdkecs.request.v20140526.RebootInstanceRequest import RebootInstanceRequest

pytestmark = pytest.mark.usefixtures("no_proxies")


@pytest.fixture(params=["its own session", "our session"])
def old(request, alibaba):
    """The old SDK's client, and a way to call it: `old(Request, **setters)`."""
    with requests.Session() as session:
        session.trust_env = False

        def call(kind, *, host=None, key=("testid", "testsecret"), credential=None, **values):
            client = AcsClient(*key, "cn-hangzhou") if credential is None else credential
            if request.param == "our session":
                client.session = session
            sent = kind()
            sent.set_endpoint(host or alibaba.url.removeprefix("http://"))
            for name, value in values.items():
                getattr(sent, f"set_{name}")(value)
            try:
                return json.loads(client.do_action_with_exception(sent))
            finally:
                client.session.close() if client.session is not None else None

        yield call


def items(answer):
    return answer["InstanceSystemEventSet"]["InstanceSystemEventType"]


class TestOldSdk:
    def test_the_flow_of_the_vendors_sample(self, old):
        """Two simulated restarts are made, one is called off, and both are looked up; only key and host are ours."""
        made = old(
            CreateSimulatedSystemEventsRequest,
            EventType="SystemMaintenance.Reboot",
            NotBefore="2026-12-01T06:32:31Z",
            InstanceIds=["i-aaa", "i-bbb"],
        )
        first, second = made["EventIdSet"]["EventId"]
        assert list(old(CancelSimulatedSystemEventsRequest, EventIds=[first])) == ["RequestId"]
        listed = old(
            DescribeInstanceHistoryEventsRequest,
            InstanceEventCycleStatuss=["Scheduled", "Canceled"],
            InstanceEventTypes=["SystemMaintenance.Reboot"],
            EventIds=[first, second],
        )
        assert listed["TotalCount"] == 2
        shown = {item["EventId"]: item["EventCycleStatus"]["Name"] for item in items(listed)}
        assert shown == {first: "Canceled", second: "Scheduled"}

    def test_every_operation_is_called(self, alibaba, old):
        asking = alibaba.schedule("reboot", resources=["i-bbb"], native_type="SystemMaintenance.Reboot:Inquiring")
        old(
            ModifyInstanceMaintenanceAttributesRequest,
            InstanceIds=["i-aaa"],
            ActionOnMaintenance="Stop",
            NotifyOnMaintenance=True,
            MaintenanceWindows=[{"StartTime": "02:00:00", "EndTime": "18:00:00"}],
        )
        (kept,) = old(DescribeInstanceMaintenanceAttributesRequest, InstanceIds=["i-aaa"])["MaintenanceAttributes"][
            "MaintenanceAttribute"
        ]
        assert (kept["NotifyOnMaintenance"], kept["ActionOnMaintenance"]["Value"]) == (True, "Stop")
        assert kept["MaintenanceWindows"]["MaintenanceWindow"] == [{"StartTime": "02:00:00", "EndTime": "18:00:00"}]
        assert old(DescribeInstancesFullStatusRequest, EventIds=[asking])["TotalCount"] == 1
        old(AcceptInquiredSystemEventRequest, EventId=asking)
        assert alibaba.events()[0]["approved_by"] == ["i-aaa"]
        old(RebootInstanceRequest, InstanceId="i-aaa", ForceStop=False)
        (instance,) = old(DescribeInstancesRequest, InstanceIds=json.dumps(["i-aaa"]))["Instances"]["Instance"]
        assert instance["Status"] == "Starting"

    def test_filters_pages_and_odd_characters_arrive_as_they_were_meant(self, alibaba, old):
        alibaba.add_machines([f"i-{number}" for number in range(25)], {"env ": "a*b~c+d 中%&=\U0001f600"})
        for number in range(25):
            alibaba.schedule("reboot", resources=[f"i-{number}"])
        found, token = [], None
        while True:
            more = {} if token is None else {"NextToken": token}
            page = old(
                DescribeInstanceHistoryEventsRequest,
                InstanceEventCycleStatuss=["Scheduled"],
                Tags=[{"Key": "env ", "Value": "a*b~c+d 中%&=\U0001f600"}],
                NotBeforeStart="2026-01-01T00:00:00Z",
                EventPublishTimeEnd="2026-01-01T00:00:00Z",
                ResourceType="instance",
                MaxResults=10,
                **more,
            )
            found += items(page)
            token = page.get("NextToken")
            if token is None:
                break
        assert len({item["EventId"] for item in found}) == 25

    def test_a_machines_address_is_an_endpoint_too(self, alibaba, old):
        host = alibaba.urls()["i-bbb"].removeprefix("http://")
        assert old(DescribeInstancesRequest, host=host)["TotalCount"] == 2
        assert alibaba.requests()[-1]["machine"] == "i-bbb"

    def test_a_refusal_is_a_server_exception_with_code_status_and_request_id(self, old):
        with pytest.raises(ServerException) as caught:
            old(CancelSimulatedSystemEventsRequest, EventIds=["e-x"])
        error = caught.value
        assert (error.http_status, error.error_code, error.message) == (
            403,
            "InvalidEventId.NotFound",
            "Cannot find EventId.",
        )
        assert error.request_id

    def test_a_wrong_secret_is_recognised_by_the_string_that_was_signed(self, old):
        with pytest.raises(ServerException) as caught:
            old(DescribeInstancesRequest, key=("testid", "wrong"))
        assert caught.value.error_code == "InvalidAccessKeySecret"

    def test_an_unknown_key_is_told(self, old):
        with pytest.raises(ServerException) as caught:
            old(DescribeInstancesRequest, key=("nobody", "testsecret"))
        assert (caught.value.http_status, caught.value.error_code) == (404, "InvalidAccessKeyId.NotFound")

    def test_temporary_credentials_sign_with_their_token(self, alibaba, old):
        credential = StsTokenCredential("STS.stormcone", "rolesecret", "roletoken")
        client = AcsClient(region_id="cn-hangzhou", credential=credential)
        assert old(DescribeInstancesRequest, credential=client)["TotalCount"] == 2

    def test_a_failure_that_passes_is_tried_again_by_the_sdk(self, alibaba, old):
        alibaba.faults.add(status=503, times=2)
        assert old(DescribeInstancesRequest)["TotalCount"] == 2
        assert [request["status"] for request in alibaba.requests()] == [503, 503, 200]

    def test_what_a_reset_becomes_is_a_client_exception(self, alibaba, old):
        alibaba.faults.add(kind="reset")
        with pytest.raises(ClientException) as caught:
            old(CancelSimulatedSystemEventsRequest, EventIds=["e-x"])
        assert caught.value.error_code == "SDK.HttpError"

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_the_generic_request_works_with_what_the_sdk_does_not_know(self, alibaba, method):
        client = AcsClient("testid", "testsecret", "cn-hangzhou")
        sent = CommonRequest(domain=alibaba.url.removeprefix("http://"), version="2014-05-26")
        sent.set_action_name("CreateSimulatedSystemEvents")
        sent.set_method(method)
        sent.set_protocol_type("http")
        told = {"EventType": "SystemFailure.Stop", "NotBefore": "2026-01-02T00:00:00Z", "InstanceId.1": "i-aaa"}
        for name, value in {**told, "TriggerRealOps": "false"}.items():
            (sent.add_query_param if method == "GET" else sent.add_body_params)(name, value)
        assert len(json.loads(client.do_action_with_exception(sent))["EventIdSet"]["EventId"]) == 1


class TestNewerSdk:
    @pytest.fixture(params=[None, "v2"], ids=["version 3 in headers", "version 1 in the query"])
    def new(self, request):
        """Makes clients of the newer SDK."""
        client_module = pytest.importorskip("alibabacloud_ecs20140526.client")
        models = pytest.importorskip("alibabacloud_tea_openapi.utils_models")

        def make(url, secret="testsecret", **more):  # noqa: S107
            config = models.Config(
                access_key_id=more.pop("key", "testid"),
                access_key_secret=secret,
                region_id="cn-hangzhou",
                endpoint=url.removeprefix("http://"),
                protocol="http",
                signature_algorithm=request.param,
                **more,
            )
            return client_module.Client(config)

        return make

    @pytest.fixture
    def models(self):
        return pytest.importorskip("alibabacloud_ecs20140526").models

    def test_events_are_made_listed_and_called_off(self, alibaba, new, models, clock):
        client = new(alibaba.url)
        made = client.create_simulated_system_events(
            models.CreateSimulatedSystemEventsRequest(
                region_id="cn-hangzhou",
                event_type="SystemMaintenance.Redeploy",
                not_before="2026-01-01T01:00:00Z",
                instance_id=["i-aaa", "i-bbb"],
                trigger_real_ops=False,
            )
        )
        first, second = made.body.event_id_set.event_id
        client.cancel_simulated_system_events(
            models.CancelSimulatedSystemEventsRequest(region_id="cn-hangzhou", event_id=[first])
        )
        clock.advance(timedelta(hours=1))
        listed = client.describe_instance_history_events(
            models.DescribeInstanceHistoryEventsRequest(
                region_id="cn-hangzhou", instance_event_cycle_status=["Executing", "Canceled"], max_results=10
            )
        )
        events = listed.body.instance_system_event_set.instance_system_event_type
        assert {event.event_id: event.event_cycle_status.name for event in events} == {
            first: "Canceled",
            second: "Executing",
        }

    def test_under_a_machines_address(self, alibaba, new, models):
        client = new(alibaba.urls()["i-bbb"])
        assert client.describe_instances(models.DescribeInstancesRequest(region_id="cn-hangzhou")).body.total_count == 2

    def test_temporary_credentials(self, alibaba, new, models):
        client = new(alibaba.url, key="STS.stormcone", secret="rolesecret", security_token="roletoken")
        assert client.describe_instances(models.DescribeInstancesRequest(region_id="cn-hangzhou")).body.total_count == 2

    def test_a_refusal_has_code_and_status(self, alibaba, new, models):
        from darabonba.exceptions import DaraException

        with pytest.raises(DaraException) as caught:
            new(alibaba.url, secret="wrong").describe_instances(
                models.DescribeInstancesRequest(region_id="cn-hangzhou")
            )
        assert caught.value.code == "SignatureDoesNotMatch"
