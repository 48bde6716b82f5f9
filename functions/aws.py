"""The functions' AWS clients: made once per process, with bounded retries."""

from functools import cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECTIONS = 16
"""Of each client's pool: more than the threads that commit at once."""

# Standard mode: exponential backoff with jitter. A call gives up after 23 seconds at most (4 attempts of 4
# seconds, pauses of up to 1, 2 and 4 between them), before the shortest of the functions' timeouts; what did
# not pass then is delivered again by the event source, or asked for again by whom the API told 503.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=1,
    read_timeout=3,
    max_pool_connections=CONNECTIONS,
    # The items are built by one tested module, and checking each again costs as much as sending it.
    parameter_validation=False,
    # Composing botocore's own for each call costs a twentieth of the call.
    user_agent="streakline",
    account_id_endpoint_mode="disabled",
    disable_request_compression=True,
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


@cache
def _client(service: Any) -> Any:
    return boto3.client(service, config=_CONFIG)


def dynamodb() -> "DynamoDBClient":
    """The DynamoDB client."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def kinesis() -> "KinesisClient":
    """The Kinesis client."""
    client: KinesisClient = _client("kinesis")
    return client


def s3() -> "S3Client":
    """The S3 client."""
    client: S3Client = _client("s3")
    return client


def sqs() -> "SQSClient":
    """The SQS client."""
    client: SQSClient = _client("sqs")
    return client


def eventbridge() -> "EventBridgeClient":
    """The EventBridge client."""
    client: EventBridgeClient = _client("events")
    return client
