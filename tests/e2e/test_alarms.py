"""The alarms and the dashboard of a deployed stack: they watch what exists, and the topic hears of them."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.aws_metrics import is_emitted_by_aws
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import ensure_test_content, interaction
from tests.integration.emitted import Emitted, emitted

OWN = "Streakline"
MAX_SECONDS = 30
"""How long to wait for a batch of the consumer."""


@pytest.fixture(scope="module")
def alarms(stack: Deployed) -> list[dict[str, Any]]:
    """Return the alarms of the stack. MiniStack has none on expressions."""
    pages = stack.stack.client("cloudwatch").get_paginator("describe_alarms").paginate()
    return [alarm for page in pages for alarm in page["MetricAlarms"]]


@pytest.fixture(scope="module")
def existing(stack: Deployed) -> dict[str, set[str]]:
    """Return the names of what exists, by the dimension of a metric that names it."""
    client = stack.stack.client
    queues = client("sqs").list_queues()["QueueUrls"]
    [bus] = [one for one in client("events").list_event_buses()["EventBuses"] if one["Name"] != "default"]
    # Schedules are rules on the account's own bus.
    rules = [
        rule
        for name in ("default", bus["Name"])
        for rule in client("events").list_rules(EventBusName=name)["Rules"]
    ]
    return {
        "FunctionName": {one["FunctionName"] for one in client("lambda").list_functions()["Functions"]},
        "StreamName": set(client("kinesis").list_streams()["StreamNames"]),
        "QueueName": {url.rpartition("/")[2] for url in queues},
        "EventBusName": {bus["Name"]},
        "RuleName": {rule["Name"] for rule in rules},
        "ApiId": {one["ApiId"] for one in client("apigatewayv2").get_apis()["Items"]},
        "TableName": set(client("dynamodb").list_tables()["TableNames"]),
        "StateMachineArn": {
            one["stateMachineArn"] for one in client("stepfunctions").list_state_machines()["stateMachines"]
        },
        "LogGroupName": {one["logGroupName"] for one in client("logs").describe_log_groups()["logGroups"]},
        "Stage": {"$default"},
        "service": {"streakline"},
        # The local stack has no event log.
        "DeliveryStreamName": {"none"},
    }


def of_dashboard(body: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the namespace, name and dimensions of each metric of a dashboard."""
    for widget in body["widgets"]:
        for metric in widget["properties"].get("metrics", []):
            texts = [part for part in metric if isinstance(part, str)]
            if texts:
                yield texts[0], texts[1], dict(zip(texts[2::2], texts[3::2], strict=True))


def test_every_alarm_tells_the_stacks_topic(alarms: list[dict[str, Any]]) -> None:
    assert len(alarms) >= 20
    topics = {tuple(alarm["AlarmActions"]) for alarm in alarms} | {tuple(a["OKActions"]) for a in alarms}
    [[topic]] = topics
    assert ":sns:" in topic


def test_the_alarms_and_the_dashboard_watch_what_exists(
    stack: Deployed, alarms: list[dict[str, Any]], existing: dict[str, set[str]]
) -> None:
    dashboards = stack.stack.client("cloudwatch")
    body = json.loads(dashboards.get_dashboard(DashboardName="streakline")["DashboardBody"])
    watched = [
        (one["Namespace"], one["MetricName"], {d["Name"]: d["Value"] for d in one["Dimensions"]})
        for one in alarms
    ] + list(of_dashboard(body))
    assert len(watched) > 80
    for namespace, name, dimensions in watched:
        assert namespace == OWN or is_emitted_by_aws(namespace, name, frozenset(dimensions)), name
        for dimension, value in dimensions.items():
            assert value in existing[dimension], (name, dimension, value)
    [shown] = [one["properties"]["alarms"] for one in body["widgets"] if one["type"] == "alarm"]
    assert sorted(shown) == sorted(alarm["AlarmArn"] for alarm in alarms)


def test_the_topic_hears_when_an_alarm_begins_and_when_it_ends(
    stack: Deployed, alarms: list[dict[str, Any]]
) -> None:
    [alarm] = [one for one in alarms if "quarantineisnotempty" in one["AlarmDescription"]]
    sqs, sns, cloudwatch = map(stack.stack.client, ("sqs", "sns", "cloudwatch"))
    queue = sqs.create_queue(QueueName="told")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscribed = sns.subscribe(
        TopicArn=alarm["AlarmActions"][0], Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
    )
    try:
        for state in ("ALARM", "OK"):
            cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue=state, StateReason="a test")
            [message] = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"]
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            told = json.loads(json.loads(message["Body"])["Message"])
            assert (told["AlarmName"], told["NewStateValue"]) == (alarm["AlarmName"], state)
            assert told["AlarmDescription"].endswith("See docs/alarms.md#quarantineisnotempty")
    finally:
        sns.unsubscribe(SubscriptionArn=subscribed["SubscriptionArn"])
        sqs.delete_queue(QueueUrl=queue)


def test_the_deployed_functions_emit_what_is_watched_of_them(
    stack: Deployed, alarms: list[dict[str, Any]]
) -> None:
    ensure_test_content(stack.stack)
    stack.stack.client("kinesis").put_record(
        StreamName=stack.outputs["StreamName"],
        Data=json.dumps(interaction(user_id="e2e-alarms")).encode(),
        PartitionKey="e2e-alarms",
    )
    watched = {one["MetricName"] for one in alarms if one["Namespace"] == OWN} - {"UnreadableAwards"}
    deadline = time.monotonic() + MAX_SECONDS
    while not watched | {"ViewLag"} <= (found := {one.name for one in from_the_log(stack)}):
        assert time.monotonic() < deadline, f"only {found} have been emitted"
        time.sleep(1)
    assert {one.dimensions["service"] for one in from_the_log(stack)} == {"streakline"}


def from_the_log(stack: Deployed, since: float = 0) -> list[Emitted]:
    """Return the metrics in the functions' log group. CloudWatch reads them there; MiniStack does not.

    `since`: a Unix time.
    """
    group = stack.stack.client("cloudformation").describe_stack_resource(
        StackName="streakline", LogicalResourceId="Logs"
    )["StackResourceDetail"]["PhysicalResourceId"]
    pages = (
        stack.stack.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=group, startTime=int(1000 * since))
    )
    return emitted("\n".join(event["message"].strip() for page in pages for event in page["events"]))
