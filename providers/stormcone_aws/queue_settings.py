"""The options of `aws-queue`, checked once and told in one sentence where they cannot be used."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stormcone.clouds.contract import ProviderOptions
from stormcone.clouds.settings import Given, address, matching
from stormcone.errors import SettingsError
from stormcone_aws.sdk import Access

NAME = "aws-queue"

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "queue": "URL or name of the SQS queue that EventBridge, SNS or Auto Scaling sends to",
        "instances": "ids of the instances whose messages are taken, with commas between; all if unset",
        "complete-hooks": "whether approving ends a lifecycle hook's wait: true or false; true if unset",
        "profile": "profile of the AWS CLI; the environment and all that botocore knows is looked at if unset",
    }
)
"""The provider's own settings, each with one line of help."""

INSTANCE = re.compile(r"[\w.-]{1,128}", re.ASCII)
REGION = re.compile(r"[a-z0-9-]{1,64}")

_URL = re.compile(r"https?://[^\s?#]+/[^\s/?#]+/[\w-]{1,80}", re.ASCII)
_NAME = re.compile(r"[\w-]{1,80}", re.ASCII)
_REGION_IN_URL = re.compile(r"https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com")


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How the provider is to work.

    Attributes:
        access: how the APIs are reached.
        queue: the queue's URL or name.
        machine: the one instance whose messages are taken, by the option `machine`, or None.
        instances: the instances whose messages are taken; empty for all.
        complete_hooks: whether approving ends a hook's wait.
    """

    access: Access
    queue: str
    machine: str | None = None
    instances: tuple[str, ...] = ()
    complete_hooks: bool = True

    @property
    def region(self) -> str:
        """The region, as far as the options and the queue's URL say; else ""."""
        found = _REGION_IN_URL.match(self.queue)
        return self.access.region or (found[1] or found[2] if found else "") or ""


def read_settings(options: ProviderOptions) -> QueueSettings:
    """The settings that the options say.

    Raises:
        SettingsError: one of them cannot be used, or two do not fit together.
    """
    given = Given(NAME, options.settings, SETTINGS)
    machine = matching("machine", options.machine, INSTANCE, "AWS")
    instances = given.names("instances")
    if machine and instances:
        raise SettingsError("a machine and instances are named, and each says whose messages are taken; leave one out")
    for name in instances:
        matching("instance", name, INSTANCE, "AWS")
    return QueueSettings(
        access=access_of(options, given),
        queue=_queue(given.text("queue")),
        machine=machine,
        instances=instances,
        complete_hooks=given.yes_or_no("complete-hooks", default=True),
    )


def access_of(options: ProviderOptions, given: Given) -> Access:
    """How the APIs are reached, as the options say.

    Raises:
        SettingsError: the region or the endpoint cannot be used.
    """
    return Access(
        region=matching("region", options.region, REGION, "AWS"),
        profile=given.text("profile") or None,
        endpoint=address("endpoint", options.endpoint) if options.endpoint else None,
        ca_file=options.ca_file,
    )


def _queue(text: str) -> str:
    if not text:
        raise SettingsError("no queue is named; set queue to the URL or the name of the SQS queue")
    if text.endswith(".fifo"):
        raise SettingsError(
            f"the queue {text!r} is a FIFO queue, in which one message that cannot be read blocks all others; "
            "take a standard queue"
        )
    if not (_URL if "://" in text else _NAME).fullmatch(text):
        raise SettingsError(
            f"the queue {text!r} is neither a name nor a URL of the form https://sqs.REGION.amazonaws.com/ACCOUNT/NAME"
        )
    return text
