"""HTTP to a metadata service: one client, whose every fault is a `ProviderError` in plain words."""

from stormcone.clouds.http.client import BODY_LIMIT as BODY_LIMIT
from stormcone.clouds.http.client import STATUSES as STATUSES
from stormcone.clouds.http.client import HttpAnswer as HttpAnswer
from stormcone.clouds.http.client import HttpStatusMeaning as HttpStatusMeaning
from stormcone.clouds.http.client import MetadataClient as MetadataClient
from stormcone.clouds.http.client import retry_after as retry_after
from stormcone.clouds.http.faults import FAULTS as FAULTS
from stormcone.clouds.http.faults import Timeouts as Timeouts
from stormcone.clouds.http.faults import fault_reason as fault_reason
