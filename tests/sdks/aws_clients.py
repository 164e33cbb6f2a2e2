"""boto3 on the simulator, as a user has it; and the SDK's own models, which say what may stand in an answer."""

import boto3
from botocore.config import Config
from botocore.loaders import create_loader
from botocore.model import ServiceModel

LOADER = create_loader()
KEY_ID, SECRET = "testid", "testsecret"


def client(simulator, service, *, key=KEY_ID, secret=SECRET, token=None, region="us-east-1"):
    """boto3's client of a service; its default configuration, but for attempts."""
    return boto3.client(
        service,
        endpoint_url=simulator.url,
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=Config(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=20),
    )


def model(service):
    return ServiceModel(LOADER.load_service_model(service, "service-2"), service)
