"""The handlers on moto: tables as `template.yaml` has them, and a record of every call to AWS."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from moto import mock_aws

from domain.catalog import ContentMetadata

# Read when the functions are imported.
os.environ |= {
    "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
    "POWERTOOLS_SERVICE_NAME": "streakline",
    "POWERTOOLS_TRACE_DISABLED": "true",
    "AWS_LAMBDA_FUNCTION_NAME": "streakline-function",
    "AWS_LAMBDA_FUNCTION_VERSION": "7",
}

from functions import aws, catalog, exports, generations, project, rarity, read
from functions.catalog import CatalogWriter
from functions.outcome import Outcome
from functions.project import Projector
from functions.quarantine import Quarantine
from functions.store import Store
from tests.integration.template import event_sources, template

ARRIVAL = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When the stream and the API receive what tests send."""
VIEWS, GREEN, CONTENT, CONTROL = "views", "views-green", "content", "control"
STREAM, BUS, BUCKET = "stream", "bus", "event-log"
CATALOG_TIME = 1_700_000_000_000_000
CATALOG = {
    "SAA": [
        ContentMetadata("saa-1", "Storage", "beginner"),
        ContentMetadata("saa-2", "Storage", "advanced"),
        ContentMetadata("saa-3", "Compute", "beginner"),
    ],
    "DVA": [ContentMetadata("dva-1", "Deployment", "intermediate")],
}

type Item = dict[str, Any]


class Context:
    """The parts of a Lambda context that the functions and their metrics read."""

    function_name = "project"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:project"
    aws_request_id = "request-1"
    milliseconds_left = 120_000

    def get_remaining_time_in_millis(self) -> int:
        return self.milliseconds_left


def _create_table(name: str, logical_id: str) -> None:
    properties = template()["Resources"][logical_id]["Properties"]
    names = ("BillingMode", "AttributeDefinitions", "KeySchema")
    aws.dynamodb().create_table(TableName=name, **{n: properties[n] for n in names})


@dataclass
class World:
    """The services on moto, the consumer on them, and what was called."""

    queue_url: str
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(aws.dynamodb(), VIEWS)

    @property
    def quarantine(self) -> Quarantine:
        return Quarantine(aws.sqs, aws.s3, self.queue_url, BUCKET)

    def projector(self, freezes: int = 0) -> Projector:
        return Projector(self.store, self.quarantine, freezes, pause=lambda _: None)

    def project(self, *interactions: dict[str, Any] | bytes) -> Outcome:
        """Fold these, as one batch of the stream."""
        return self.projector().project(stream_event(*interactions)["Records"])

    def item(self, user_id: str, sk: str) -> Item | None:
        """One item of a learner, as it is stored."""
        key = {"pk": {"S": f"USER#{user_id}"}, "sk": {"S": sk}}
        return aws.dynamodb().get_item(TableName=VIEWS, Key=key).get("Item")

    def items(self) -> dict[tuple[str, str], Item]:
        """All items of the views table, by key."""
        found = aws.dynamodb().scan(TableName=VIEWS)["Items"]
        return {(i["pk"]["S"], i["sk"]["S"]): dict(i) for i in found}

    def quarantined(self) -> list[dict[str, Any]]:
        """Return the messages in quarantine, taken out of it."""
        queue = aws.sqs()
        found = []
        while messages := queue.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get(
            "Messages"
        ):
            for message in messages:
                found.append(json.loads(message["Body"]))
                queue.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return found

    def operations(self) -> list[str]:
        """Return the names of the calls made so far, in order."""
        return [name for name, _ in self.calls]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    with mock_aws():
        _forget()
        _create_table(VIEWS, "ViewsTable")
        _create_table(GREEN, "GreenViewsTable")
        _create_table(CONTENT, "ContentTable")
        _create_table(CONTROL, "ControlTable")
        aws.kinesis().create_stream(StreamName=STREAM, ShardCount=1)
        aws.eventbridge().create_event_bus(Name=BUS)
        aws.s3().create_bucket(Bucket=BUCKET)
        url = aws.sqs().create_queue(QueueName="quarantine")["QueueUrl"]
        environment = {
            "GENERATION": "blue",
            "BLUE_VIEWS_TABLE": VIEWS,
            "CONTROL_TABLE": CONTROL,
            "QUARANTINE_URL": url,
            "EVENT_LOG_BUCKET": BUCKET,
            "STREAM_NAME": STREAM,
            "BUS_NAME": BUS,
            "STREAK_FREEZES": "0",
            "API_MAX_EVENT_AGE_DAYS": "30",
            "XAPI_CONTENT_PREFIXES": "https://learn.example.com/content/",
            "LEARNER_CLAIM": "sub",
            "GROUPS_CLAIM": "cognito:groups",
            "DOCS_UI": "off",
            "EXPORT_FUNCTION": "export",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = World(url)
        CatalogWriter(made.store).update(CATALOG, CATALOG_TIME)

        def record(params: dict[str, Any], model: Any, **_: Any) -> None:
            made.calls.append((model.name, params))

        clients = (aws.dynamodb(), aws.kinesis(), aws.sqs(), aws.s3(), aws.eventbridge())
        for client in clients:
            client.meta.events.register("provide-client-params.*", record)
        yield made
        for client in clients:
            client.meta.events.unregister("provide-client-params.*", record)
        _forget()


def _forget() -> None:
    """Clear the caches of a process, except its clients."""
    for kept in (
        rarity.counter,
        catalog.writer,
        project.projector,
        generations.generations,
        exports.jobs,
    ):
        kept.cache_clear()
    read._shared = read._Shared()


STREAM_ARN = f"arn:aws:dynamodb:us-east-1:123456789012:table/{VIEWS}/stream/2026-03-02T12:00:00.000"


def table_stream(world: World, function: str) -> dict[str, Any]:
    """Return an event with every item of the views table that a function's filters in the template pass."""
    [source, _] = event_sources(function)
    patterns = [json.loads(f["Pattern"]) for f in source["FilterCriteria"]["Filters"]]
    wanted = [pattern["dynamodb"]["Keys"]["sk"]["S"][0] for pattern in patterns]
    return {
        "Records": [
            {
                "eventSourceARN": STREAM_ARN,
                "dynamodb": {"Keys": {name: image[name] for name in ("pk", "sk")}, "NewImage": image},
            }
            for (_, sk), image in world.items().items()
            if any(sk.startswith(w["prefix"]) if isinstance(w, dict) else sk == w for w in wanted)
        ]
    }


def streamed() -> list[dict[str, Any]]:
    """Return the data of all records in the stream, parsed."""
    kinesis = aws.kinesis()
    [shard] = kinesis.list_shards(StreamName=STREAM)["Shards"]
    iterator = kinesis.get_shard_iterator(
        StreamName=STREAM, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
    )
    records = kinesis.get_records(ShardIterator=iterator["ShardIterator"])["Records"]
    return [json.loads(record["Data"]) for record in records]


def interaction(event_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return a valid interaction with these fields changed; None leaves a field out."""
    whole = {
        "event_id": event_id,
        "user_id": "ann",
        "content_id": "saa-1",
        "interaction_type": "answered",
        "occurred_at": "2026-03-01T09:00:00+02:00",
        "timezone": "Europe/Helsinki",
        "score": 80,
        "time_spent": 60,
        **fields,
    }
    return {name: value for name, value in whole.items() if value is not None}


def stream_event(*interactions: dict[str, Any] | bytes, first: int = 1) -> dict[str, Any]:
    """Return a Kinesis event of these, one record each."""
    return {
        "Records": [
            {
                "eventID": f"shardId-000000000000:{first + n}",
                "kinesis": {
                    "partitionKey": "of-no-matter",
                    "sequenceNumber": str(first + n),
                    "data": b64encode(
                        given if isinstance(given, bytes) else json.dumps(given).encode()
                    ).decode(),
                    "approximateArrivalTimestamp": ARRIVAL.timestamp(),
                },
            }
            for n, given in enumerate(interactions)
        ]
    }
