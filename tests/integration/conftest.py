"""The handlers on moto: tables as `template.yaml` has them, and a record of every call to AWS."""

import json
import os
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from moto import mock_aws

from domain.catalog import ContentMetadata

# Read when the functions are imported.
os.environ |= {
    "ALLOWED_ORIGIN": "",
    "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
    "POWERTOOLS_SERVICE_NAME": "streakline",
    "POWERTOOLS_TRACE_DISABLED": "true",
}

from functions import announce, aws, catalog, project, read
from functions.project import Outcome, Projector
from functions.quarantine import Quarantine
from functions.store import Store

TEMPLATE = Path(__file__).parents[2] / "template.yaml"
VIEWS, CONTENT, STREAM, BUS, BUCKET = "views", "content", "stream", "bus", "event-log"
CLIENT_ID = "app-client"
ARRIVAL = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""When the stream received what tests put into it."""
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


class _Loader(yaml.CSafeLoader):
    """Reads CloudFormation's short forms (`!Ref x`) as their arguments: tests need only plain values."""


def _argument(loader: _Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node)
    return loader.construct_scalar(node)  # type: ignore[arg-type]  # the third kind there is


_Loader.add_multi_constructor("!", _argument)


@cache
def template() -> dict[str, Any]:
    """The template, its intrinsic functions replaced by their arguments."""
    loaded: dict[str, Any] = yaml.load(TEMPLATE.read_text(), _Loader)
    return loaded


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
        return Quarantine(aws.sqs(), aws.s3(), self.queue_url, BUCKET)

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
        """The messages in quarantine, taken out of it."""
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
        """The names of the calls made so far, in order."""
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
        _create_table(CONTENT, "ContentTable")
        aws.kinesis().create_stream(StreamName=STREAM, ShardCount=1)
        aws.eventbridge().create_event_bus(Name=BUS)
        aws.s3().create_bucket(Bucket=BUCKET)
        url = aws.sqs().create_queue(QueueName="quarantine")["QueueUrl"]
        environment = {
            "VIEWS_TABLE": VIEWS,
            "QUARANTINE_URL": url,
            "EVENT_LOG_BUCKET": BUCKET,
            "STREAM_NAME": STREAM,
            "BUS_NAME": BUS,
            "STREAK_FREEZES": "0",
            "API_MAX_EVENT_AGE_DAYS": "30",
            "USER_POOL_CLIENT_ID": CLIENT_ID,
            "LEARNER_CLAIM": "sub",
            "DOCS_UI": "off",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = World(url)
        catalog.update_catalog(made.store, CATALOG, CATALOG_TIME)

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
    """What a process keeps from one invocation to the next, but for the clients: they know nothing."""
    for kept in (announce.store, catalog.store, project.projector, read.store):
        kept.cache_clear()
    read._shared = read._Shared()


def interaction(event_id: str | None, **fields: Any) -> dict[str, Any]:
    """A valid interaction, but for what is given; None leaves a field out."""
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
    """A Kinesis event of these, one record each."""
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


def http_event(
    method: str,
    path: str,
    *,
    body: Any = None,
    claims: dict[str, Any] | None = None,
    query: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """A REST API's proxy event, its token verified: `claims` are what was in it."""
    sent = {"Content-Type": "application/json", **(headers or {})}
    query_lists: dict[str, Sequence[str]] = {name: [value] for name, value in (query or {}).items()}
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
        "queryStringParameters": query,
        "multiValueQueryStringParameters": query_lists or None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": None if claims is None else {"claims": claims},
            "httpMethod": method,
            "identity": {"sourceIp": "127.0.0.1"},
            "path": f"/v1{path}",
            "protocol": "HTTP/1.1",
            "requestId": "request-1",
            "requestTimeEpoch": int(ARRIVAL.timestamp() * 1000),
            "resourcePath": "/{proxy+}",
            "stage": "v1",
        },
        "body": body if body is None or isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def claims(user_id: str, *groups: str) -> dict[str, Any]:
    """What a verified ID token of this application's client says."""
    return {
        "sub": user_id,
        "aud": CLIENT_ID,
        "token_use": "id",
        **({"cognito:groups": ",".join(groups)} if groups else {}),
    }
