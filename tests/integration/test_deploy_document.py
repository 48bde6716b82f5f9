"""docs/deploy.md, about what a deployment creates and what its removal leaves, against the template."""

import re
from collections import Counter
from pathlib import Path

from tests.integration.template import deployed, template

DEPLOY = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text()
NUMBERS = {"one": 1, "two": 2, "three": 3}
KINDS = {
    "Kinesis stream": "AWS::Kinesis::Stream",
    "HTTP API": "AWS::ApiGatewayV2::Api",
    "Cognito user pool": "AWS::Cognito::UserPool",
    "SQS queues": "AWS::SQS::Queue",
    "Step Functions state machines": "AWS::StepFunctions::StateMachine",
    "AppConfig application": "AWS::AppConfig::Application",
}
"""Rows of the table that begin with a number, and what they count."""


def test_the_table_of_what_a_deployment_creates_counts_right() -> None:
    rows = dict(re.findall(r"^\| ([^|]+) \| (\w+)", DEPLOY, re.MULTILINE))
    created = Counter(resource["Type"] for resource in deployed().values())
    assert {kind: NUMBERS[rows[name]] for name, kind in KINDS.items()} == {
        kind: created[kind] for kind in KINDS.values()
    }


def test_the_topics_key_outlives_the_stack_as_long_as_the_document_says() -> None:
    [days] = re.findall(r"the key of the topic for (\d+) days", DEPLOY)
    assert int(days) == template()["Resources"]["AlarmKey"]["Properties"]["PendingWindowInDays"]
