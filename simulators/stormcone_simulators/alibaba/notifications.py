"""What CloudMonitor would send: one notification for each event that is published and for each change of its status.

Nothing here keeps time. A simulator's state moves when it is asked or told something, and a notification is made, and
pushed, when the change that it tells of is processed; its times are those at which the change was due.

Source, unless a line says otherwise: CloudMonitor's documentation of ECS events.
"""

import json
import logging
import queue
import threading
import uuid
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from urllib.parse import urlsplit

import requests

from stormcone.errors import SettingsError
from stormcone_simulators.alibaba.documents import Document, stamp
from stormcone_simulators.alibaba.model import EcsEvent
from stormcone_simulators.alibaba.site import ACCOUNT
from stormcone_simulators.alibaba.types import FINISHED, SPOT_RELEASE, EventStatus

_log = logging.getLogger(__name__)

_KEPT = 10_000
_WAITING = 10_000
_TIMEOUT = (2.0, 5.0)
_CHINA = timezone(timedelta(hours=8))

_LEVELS = {"SystemMaintenance.PerformanceImpact": "WARN", SPOT_RELEASE: "WARN"}


def notification(event: EcsEvent, region: str) -> Document:
    """What tells of the event as it is now."""
    return {
        "ver": "1.0",
        "id": str(uuid.uuid4()).upper(),
        "product": "ECS",
        "resourceId": f"acs:ecs:{region}:{ACCOUNT}:instance/{event.instance}",
        # Unverified: the level of all but a few types.
        "level": _LEVELS.get(event.native_type, "CRITICAL"),
        "name": _name(event),
        "userId": ACCOUNT,
        "eventTime": _event_time(event.ended_at or event.started_at or event.created_at),
        "regionId": region,
        "content": _content(event),
    }


def _name(event: EcsEvent) -> str:
    return SPOT_RELEASE if event.native_type == SPOT_RELEASE else f"Instance:{event.native_type}:{event.status}"


def _content(event: EcsEvent) -> Document:
    if event.native_type == SPOT_RELEASE:
        return {"instanceId": event.instance, "action": "delete"}
    content: Document = {"eventId": event.id, "publishTime": stamp(event.created_at)}
    if event.native_type.startswith("SystemMaintenance."):
        content["notBefore"] = stamp(event.not_before)
    content |= {"instanceId": event.instance, "eventType": event.native_type, "eventStatus": str(event.status)}
    times = {"executeStartTime": event.started_at, "executeFinishTime": event.ended_at}
    return content | {name: stamp(time) for name, time in times.items() if time is not None}


def _event_time(time: datetime) -> str:
    local = time.astimezone(_CHINA)
    return f"{local:%Y%m%dT%H%M%S}.{local.microsecond // 1000:03d}+0800"


class Notifications:
    """The notifications so far, the last 10,000 of them, and where they are pushed to.

    Args:
        region: the region's id.
        webhook: where each is posted to as JSON, or None.
    """

    def __init__(self, region: str, webhook: "Webhook | None") -> None:
        self._region = region
        self._webhook = webhook
        self._sent: deque[Document] = deque(maxlen=_KEPT)
        self._told: dict[str, EventStatus] = {}

    def changed(self, event: EcsEvent) -> None:
        """Take note that an event has changed; tells of it if its status has."""
        told, status = self._told.pop(event.id, None), event.status
        if status is not None and status not in FINISHED:
            self._told[event.id] = status
        only_once = told is not None and event.native_type == SPOT_RELEASE
        if status is None or status == told or only_once:
            return
        document = notification(event, self._region)
        self._sent.append(document)
        if self._webhook is not None:
            self._webhook.push(document)

    def list(self) -> "list[Document]":
        """The notifications, oldest first."""
        return list(self._sent)


def checked_webhook(url: str, *, anywhere: bool) -> str:
    """The address to push to.

    Raises:
        SettingsError: it is no http URL, or leads away from this machine without having been allowed to.
    """
    split = urlsplit(url)
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise SettingsError(f"the webhook {url!r} is not an http URL, such as http://127.0.0.1:8080/events")
    if not anywhere and not _is_loopback(split.hostname):
        raise SettingsError(
            f"the webhook {url!r} is not on this machine; take one that is, or allow others with webhook-anywhere"
        )
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Webhook:
    """Posts documents, one after the other, in a thread of its own, so that no answer waits for a receiver.

    One that cannot be delivered is dropped, with a line in the log. At most 10,000 wait.

    Args:
        url: where to.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._waiting: queue.Queue[Document] = queue.Queue(_WAITING)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="simulator-webhook", daemon=True)
        self._thread.start()

    def push(self, document: Document) -> None:
        """Post the document soon; returns at once."""
        try:
            self._waiting.put_nowait(document)
        except queue.Full:
            _log.warning("a notification is dropped: %d wait for the webhook already", _WAITING)

    def close(self) -> None:
        """Drop what still waits; returns once the post that is under way has ended. Safe to call twice."""
        self._closed.set()
        with suppress(queue.Full):
            self._waiting.put_nowait({})
        self._thread.join()

    def _run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            while True:
                document = self._waiting.get()
                if self._closed.is_set():
                    return
                self._post(session, document)

    def _post(self, session: requests.Session, document: Document) -> None:
        headers = {"Content-Type": "application/json"}
        try:
            answer = session.post(
                self._url, data=json.dumps(document), headers=headers, timeout=_TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            _log.warning("a notification is dropped: the webhook does not take it: %s", error)
        else:
            _log.debug("the webhook answered with the status %d", answer.status_code)
