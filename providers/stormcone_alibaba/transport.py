"""The one session of requests that the SDK sends its calls through.

The SDK brings old copies of requests and urllib3 of its own and puts the signed URL into the errors of those. Given
this session instead it uses the libraries that are installed, through proxies as configured here, and what it learns
of a fault is a plain word.
"""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests

from stormcone.clouds.http.api import API_TIMEOUTS, GuardedSession
from stormcone.clouds.http.trust import VARIABLES
from stormcone_alibaba.redact import remember

TIMEOUTS = API_TIMEOUTS

CA_VARIABLES = ("ALIBABA_CLOUD_CA_BUNDLE", *VARIABLES)
"""The variables that name a file of authorities for the API. Source: the first is the SDK's own (core 2.16.1)."""


class ApiSession(GuardedSession):
    """A session whose signatures no log shows."""

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Send; raises `TransportFault` where there is no answer."""
        remember(*_signatures(request))
        return super().send(request, **kwargs)


def _signatures(request: requests.PreparedRequest) -> list[str]:
    return parse_qs(urlsplit(request.url or "").query).get("Signature", [])
