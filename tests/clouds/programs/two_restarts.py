"""Makes two simulated restarts and calls one of them off, as the vendor's published sample does with its SDK."""

import json
import logging

from aliyunsdkcore import client
from aliyunsdkecs.request.v20140526.CancelSimulatedSystemEventsRequest import CancelSimulatedSystemEventsRequest
from aliyunsdkecs.request.v20140526.CreateSimulatedSystemEventsRequest import CreateSimulatedSystemEventsRequest

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")

KEY_ID = "<access key id>"
KEY_SECRET = "<access key secret>"
REGION = "cn-hangzhou"

clt = client.AcsClient(KEY_ID, KEY_SECRET, REGION)
# <endpoint>


def send(request):
    request.set_accept_format("json")
    return json.loads(clt.do_action_with_exception(request))


def create_events(instance_ids, event_type, not_before):
    request = CreateSimulatedSystemEventsRequest()
    request.set_InstanceIds(instance_ids)
    request.set_EventType(event_type)
    request.set_NotBefore(not_before)
    return send(request)["EventIdSet"]["EventId"]


def cancel_events(event_ids):
    request = CancelSimulatedSystemEventsRequest()
    request.set_EventIds(event_ids)
    return send(request)["RequestId"]


created = create_events(["i-aaa", "i-bbb"], "SystemMaintenance.Reboot", "2038-01-01T06:32:31Z")
print("Created:", created)
request_id = cancel_events([created[0]])
print("Canceled:", [created[0]], "request", request_id)
