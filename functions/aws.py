"""The functions' AWS clients. Each is created when it is first used, and its retries are bounded.

They are botocore's: boto3's are the same ones, behind imports that take a fifth of a cold start.
"""

from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_kinesis import KinesisClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

CONNECTIONS = 16
"""The size of each client's connection pool: more than the threads that commit at once."""

_NEWER_OPTIONS: dict[str, Any] = {
    "account_id_endpoint_mode": "disabled",
    "request_checksum_calculation": "when_required",
    "response_checksum_validation": "when_required",
}
"""What the lowest supported botocore does not know and, without these options, does anyway."""

# Standard mode retries with exponential backoff and jitter. A call gives up after at most 23 seconds (4
# attempts of 4 seconds, with pauses of up to 1, 2 and 4 seconds), before the shortest timeout of the
# functions. Then the event source delivers the batch again, or the API answers 503 and the caller tries
# again.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    connect_timeout=1,
    read_timeout=3,
    max_pool_connections=CONNECTIONS,
    # One tested module builds the items. Validating them again would cost as much as sending them.
    parameter_validation=False,
    # botocore's default is composed for each call, at a twentieth of the cost of the call.
    user_agent="streakline",
    disable_request_compression=True,
    **{name: value for name, value in _NEWER_OPTIONS.items() if name in Config.OPTION_DEFAULTS},
)


@cache
def _client(service: Any, config: Config = _CONFIG) -> Any:
    return botocore.session.get_session().create_client(service, config=config)


def dynamodb() -> "DynamoDBClient":
    """Return the DynamoDB client."""
    client: DynamoDBClient = _client("dynamodb")
    return client


def kinesis() -> "KinesisClient":
    """Return the Kinesis client."""
    client: KinesisClient = _client("kinesis")
    return client


def s3() -> "S3Client":
    """Return the S3 client."""
    client: S3Client = _client("s3")
    return client


def sqs() -> "SQSClient":
    """Return the SQS client."""
    client: SQSClient = _client("sqs")
    return client


def eventbridge() -> "EventBridgeClient":
    """Return the EventBridge client."""
    client: EventBridgeClient = _client("events")
    return client


def athena() -> Any:
    """Return the Athena client."""
    return _client("athena")


def functions() -> Any:
    """Return the Lambda client."""
    return _client("lambda")


@cache
def s3_signer() -> "S3Client":
    """Return the S3 client that signs links, in the way that botocore uses only if it is told."""
    client: S3Client = _client("s3", _CONFIG.merge(Config(signature_version="s3v4")))
    return client
