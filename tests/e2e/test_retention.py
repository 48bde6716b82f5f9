"""What of the template holds data, and what becomes of it when the stack is deleted."""

from typing import Any

import pytest

from cli.remove import REMOVERS
from gates.checks import DEPLOYMENTS, transformed
from gates.resolve import Resolver

HOLDS_DATA = set(REMOVERS)
GOES_WITH_ITS_OWNER = {"AWS::Cognito::UserPoolGroup"}
"""Types that hold data, and that are deleted with a resource that holds them: a group with its user pool."""
HOLDS_NONE = {
    "AWS::ApiGatewayV2::Api",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::ApiGatewayV2::Route",
    "AWS::ApiGatewayV2::Stage",
    "AWS::AppConfig::Application",
    "AWS::AppConfig::ConfigurationProfile",
    "AWS::AppConfig::Deployment",
    "AWS::AppConfig::DeploymentStrategy",
    "AWS::AppConfig::Environment",
    "AWS::AppConfig::HostedConfigurationVersion",
    # The answers of its queries are in the event log's bucket, for a day.
    "AWS::Athena::WorkGroup",
    "AWS::CloudFront::CachePolicy",
    "AWS::CloudFront::Distribution",
    "AWS::CloudWatch::Alarm",
    "AWS::CloudWatch::Dashboard",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Cognito::UserPoolClient",
    "AWS::Cognito::UserPoolDomain",
    "AWS::Events::EventBus",
    "AWS::Events::Rule",
    # What they describe is in the event log's bucket.
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    # It encrypts the alarms' topic only.
    "AWS::KMS::Key",
    # What it has not delivered yet is in the stream.
    "AWS::KinesisFirehose::DeliveryStream",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Function",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::S3::BucketPolicy",
    # A topic passes messages on and keeps none. Its subscriptions belong to the stack too.
    "AWS::SNS::Subscription",
    "AWS::SNS::Topic",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    # Its executions name objects of the event log's bucket.
    "AWS::StepFunctions::StateMachine",
    "AWS::WAFv2::WebACL",
}


def deployed(keep_data: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a stack with all of them, by logical id."""
    parameters = {"Cdn": "with-waf", "KeepData": keep_data, "Views": "both", "GradualDeployment": "true"}
    parameters["AlarmEmail"] = "operations@learn.example"
    parameters["ProgressTableStreamArn"] = DEPLOYMENTS["with all options"]["ProgressTableStreamArn"]
    resources = Resolver(transformed(), parameters).resources()
    assert resources.keys() == transformed()["Resources"].keys()
    return resources


@pytest.mark.parametrize("keep_data", ["yes", "no"])
def test_what_holds_data_outlives_the_stack_and_nothing_else_does(keep_data: str) -> None:
    holding = set()
    for name, resource in deployed(keep_data).items():
        if resource["Type"] in HOLDS_DATA | GOES_WITH_ITS_OWNER:
            holding.add(name)
            assert resource["DeletionPolicy"] in {"Retain", "RetainExceptOnCreate"}, name
            assert resource["UpdateReplacePolicy"] == "Retain", name
        else:
            assert resource["Type"] in HOLDS_NONE, f"{name}: does it hold data? Add its type here"
            # Lambda's versions are the exception: SAM keeps old ones for aliases.
            kept = resource["Type"] == "AWS::Lambda::Version"
            assert kept or resource.get("DeletionPolicy", "Delete") == "Delete", name
    assert holding == {
        "Admins",
        "ApiLogs",
        "CdnLogs",
        "ContentTable",
        "ControlTable",
        "EventLogBucket",
        "GreenViewsTable",
        "Instructors",
        "Logs",
        "Quarantine",
        "RuleDeadLetters",
        "Stream",
        "UserPool",
        "ViewsTable",
    }


@pytest.mark.parametrize(("keep_data", "kept"), [("yes", True), ("no", False)])
def test_keep_data_decides_on_the_protection_from_every_deletion(keep_data: str, kept: bool) -> None:
    resources = deployed(keep_data)
    protected = {
        name: resource["Properties"]["DeletionProtectionEnabled"]
        for name, resource in resources.items()
        if resource["Type"] == "AWS::DynamoDB::Table"
    }
    tables = ("ViewsTable", "GreenViewsTable", "ControlTable", "ContentTable")
    assert protected == dict.fromkeys(tables, kept)
    assert resources["UserPool"]["Properties"]["DeletionProtection"] == ("ACTIVE" if kept else "INACTIVE")


def test_each_bucket_that_holds_data_has_a_policy_of_its_own_that_refuses_calls_without_tls() -> None:
    resources = deployed("yes").values()
    buckets = [name.lower() for name, one in deployed("yes").items() if one["Type"] == "AWS::S3::Bucket"]
    refusing = [
        one["Properties"]["Bucket"]
        for one in resources
        if one["Type"] == "AWS::S3::BucketPolicy"
        for statement in one["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
        and statement["Resource"]
        == [f"arn:aws:s3:::{one['Properties']['Bucket']}", f"arn:aws:s3:::{one['Properties']['Bucket']}/*"]
    ]
    assert sorted(refusing) == sorted(buckets)
