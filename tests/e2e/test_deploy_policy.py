"""docs/deploy-policy.json, the rights of whoever deploys, against what CloudFormation says that it calls.

The schema of each type of resource lists the actions that its creation, update and deletion need. cfn-lint
ships these schemas.
"""

import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from cli.local import TOOLS
from cli.stack import ROOT
from gates.checks import DEPLOYMENTS, GATES
from gates.resolve import ACCOUNT, REGION, Resolver
from tests.e2e.transformed import transformed

POLICY: dict[str, Any] = json.loads((ROOT / "docs" / "deploy-policy.json").read_text())
MAX_CHARACTERS = 6_144
"""AWS's limit of a managed policy, blanks left out."""
NOT_USED = {
    "AWS::ApiGatewayV2::Api": "s3:* iam:*",  # definitions in S3, roles of integrations
    "AWS::ApiGatewayV2::Authorizer": "iam:*",
    "AWS::ApiGatewayV2::Integration": "iam:*",
    "AWS::AppConfig::ConfigurationProfile": "iam:*",  # configuration that AppConfig fetches
    "AWS::Athena::WorkGroup": "iam:* kms:*",  # a key of one's own, Spark
    "AWS::CloudFront::Distribution": "cloudfront:*",  # it has all of CloudFront
    "AWS::Cognito::UserPool": "iam:* kms:*",  # roles for text messages, a key for custom senders
    "AWS::Cognito::UserPoolClient": "iam:*",  # Pinpoint
    "AWS::Cognito::UserPoolDomain": "kms:*",
    "AWS::Cognito::UserPoolGroup": "iam:*",
    "AWS::DynamoDB::Table": "iam:* kms:* logs:* s3:*",  # replicas, a key of one's own, imports
    "AWS::Events::EventBus": "kms:*",
    "AWS::Glue::Database": "lakeformation:*",
    "AWS::IAM::Policy": "iam:*UserPolicy iam:*GroupPolicy",  # the template's are of roles
    "AWS::IAM::Role": "iam:*RolePermissionsBoundary",
    "AWS::KinesisFirehose::DeliveryStream": "kms:*",
    "AWS::Lambda::EventSourceMapping": "kms:*",
    "AWS::Lambda::Function": "ec2:* elasticfilesystem:* kms:* s3files:*",
    "AWS::Logs::LogGroup": "firehose:* s3:* logs:AssociateKmsKey logs:DisassociateKmsKey",
    "AWS::S3::Bucket": "s3tables:*",
    "AWS::StepFunctions::StateMachine": "kms:* s3:*",
}
"""Actions for properties that the template does not have."""

_HERE = f"{REGION}:{ACCOUNT}"
LINKED = "iam:CreateServiceLinkedRole"
OF_NAMES = {
    "AWS::Athena::WorkGroup": ("athena:CreateWorkGroup", f"arn:aws:athena:{_HERE}:workgroup/", "Name"),
    "AWS::CloudWatch::Alarm": (
        "cloudwatch:PutMetricAlarm",
        f"arn:aws:cloudwatch:{_HERE}:alarm:",
        "AlarmName",
    ),
    "AWS::CloudWatch::Dashboard": (
        "cloudwatch:PutDashboard",
        f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/",
        "DashboardName",
    ),
    "AWS::CodeDeploy::Application": (
        "codedeploy:CreateApplication",
        f"arn:aws:codedeploy:{_HERE}:application:",
        "ApplicationName",
    ),
    "AWS::DynamoDB::Table": ("dynamodb:CreateTable", f"arn:aws:dynamodb:{_HERE}:table/", "TableName"),
    "AWS::Events::EventBus": ("events:CreateEventBus", f"arn:aws:events:{_HERE}:event-bus/", "Name"),
    "AWS::Events::Rule": ("events:PutRule", f"arn:aws:events:{_HERE}:rule/", "Name"),
    "AWS::IAM::Role": ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/", "RoleName"),
    "AWS::Kinesis::Stream": ("kinesis:CreateStream", f"arn:aws:kinesis:{_HERE}:stream/", "Name"),
    "AWS::KinesisFirehose::DeliveryStream": (
        "firehose:CreateDeliveryStream",
        f"arn:aws:firehose:{_HERE}:deliverystream/",
        "DeliveryStreamName",
    ),
    "AWS::Lambda::Function": ("lambda:CreateFunction", f"arn:aws:lambda:{_HERE}:function:", "FunctionName"),
    "AWS::Logs::LogGroup": ("logs:CreateLogGroup", f"arn:aws:logs:{_HERE}:log-group:", "LogGroupName"),
    "AWS::S3::Bucket": ("s3:CreateBucket", "arn:aws:s3:::", "BucketName"),
    "AWS::SNS::Topic": ("sns:CreateTopic", f"arn:aws:sns:{_HERE}:", "TopicName"),
    "AWS::SQS::Queue": ("sqs:CreateQueue", f"arn:aws:sqs:{_HERE}:", "QueueName"),
    "AWS::StepFunctions::StateMachine": (
        "states:CreateStateMachine",
        f"arn:aws:states:{_HERE}:stateMachine:",
        "StateMachineName",
    ),
}
"""What creates each type that the policy limits to names, its ARN up to the name, and the name's property."""


@cache
def schemas() -> Mapping[str, Mapping[str, Any]]:
    """Return CloudFormation's schema of each type of resource."""
    found = {}
    for path in TOOLS.parent.glob("lib/python3*/site-packages/cfnlint/data/schemas/resources/*.json"):
        schema = json.loads(path.read_text())
        found[schema["typeName"]] = schema
    return found


def needed() -> Iterator[tuple[str, str]]:
    """Yield each type of resource of the template with an action that it needs."""
    templates = (transformed(), transformed(GradualDeployment="true"))
    kinds = {one["Type"] for template in templates for one in template["Resources"].values()}
    for kind in sorted(kinds):
        for handler in schemas()[kind].get("handlers", {}).values():
            for action in handler.get("permissions", []):
                if not any(matches(pattern, action) for pattern in NOT_USED.get(kind, "").split()):
                    yield kind, action


def matches(pattern: str, action: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())


def allowed() -> set[str]:
    """Return the patterns of the actions that the policy allows on something."""
    listed = [statement["Action"] for statement in POLICY["Statement"]]
    return {action for one in listed for action in ([one] if isinstance(one, str) else one)}


def test_whoever_has_the_policy_may_do_what_cloudformation_does_for_each_type_of_resource() -> None:
    wanted = set(needed())
    assert len(wanted) > 200
    # S3's action is spelled as its event here, and is none.
    missing = {
        (kind, action)
        for kind, action in wanted
        if not any(matches(pattern, action) for pattern in allowed()) and action != "s3:REST.PUT.OBJECT"
    }
    assert missing == set()


def statements() -> Iterator[tuple[list[str], list[str]]]:
    """Yield the actions and the resources of each statement of the policy."""
    for statement in POLICY["Statement"]:
        actions, resources = statement["Action"], statement["Resource"]
        yield (
            [actions] if isinstance(actions, str) else actions,
            [resources] if isinstance(resources, str) else resources,
        )


def may(action: str, arn: str) -> bool:
    """Return whether the policy allows an action on a resource."""
    return any(
        any(matches(pattern, action) for pattern in actions)
        and any(fnmatchcase(arn, pattern) for pattern in resources)
        for actions, resources in statements()
    )


def made_up_name(logical_id: str, kind: str) -> str:
    """Return a name as CloudFormation gives it to a resource that has none of its own."""
    if kind == "AWS::StepFunctions::StateMachine":
        return f"{logical_id}-3ypO3dryEmXE"
    name = f"streakline-{logical_id}-3ypO3dryEmXE"
    return name.lower() if kind == "AWS::S3::Bucket" else name


def created() -> Iterator[tuple[str, str]]:
    """Yield what a deployment does to create each resource with a name, and the resource's ARN."""
    parameters = {**DEPLOYMENTS["with all options"], "EventLog": "on"}
    resources = Resolver(transformed(GradualDeployment="true"), parameters).resources()
    for logical_id, resource in resources.items():
        if resource["Type"] in OF_NAMES:
            action, arn, name = OF_NAMES[resource["Type"]]
            given = resource["Properties"].get(name) or made_up_name(logical_id, resource["Type"])
            yield action, f"{arn}{given}"


def test_whoever_has_the_policy_may_create_each_resource_under_the_name_that_it_gets() -> None:
    wanted = set(created())
    assert {action for action, _ in wanted} == {action for action, _, _ in OF_NAMES.values()}
    assert {(action, arn) for action, arn in wanted if not may(action, arn)} == set()


def test_whoever_has_the_policy_may_follow_and_repeat_executions_of_the_state_machines() -> None:
    machines = [arn for action, arn in created() if action == "states:CreateStateMachine"]
    assert len(machines) == 2
    for machine in machines:
        execution = f"{machine.replace(':stateMachine:', ':execution:')}:run"
        for action in ("states:DescribeExecution", "states:RedriveExecution", "states:StopExecution"):
            assert may(action, execution), (action, execution)
        assert may("states:StartExecution", machine)
        assert may("states:ListExecutions", machine)


def test_whoever_has_the_policy_may_create_the_first_api_of_an_account_and_look_at_the_dashboard() -> None:
    roles = f"arn:aws:iam::{ACCOUNT}:role/aws-service-role"
    assert may(LINKED, f"{roles}/ops.apigateway.amazonaws.com/AWSServiceRoleForAPIGateway")
    assert not may(LINKED, f"{roles}/ecs.amazonaws.com/AWSServiceRoleForECS")
    assert may("cloudwatch:GetMetricData", "*")
    assert may("cloudwatch:GetDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/streakline")


def test_the_policy_fits_into_one_managed_policy() -> None:
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= MAX_CHARACTERS


def test_roles_can_be_made_and_passed_on_only_under_the_stacks_name() -> None:
    for statement in POLICY["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        # AWS says what a role linked to a service may do.
        if any(action.startswith("iam:") for action in actions) and actions != [LINKED]:
            assert statement["Resource"] == "arn:aws:iam::*:role/streakline*"
    [passing] = [one for one in POLICY["Statement"] if one["Action"] == "iam:PassRole"]
    services = set(passing["Condition"]["StringEquals"]["iam:PassedToService"])
    trusted = set()
    for resource in transformed(GradualDeployment="true")["Resources"].values():
        if resource["Type"] == "AWS::IAM::Role":
            for statement in resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
                named = statement["Principal"]["Service"]
                trusted |= {named} if isinstance(named, str) else set(named)
    assert trusted <= services


def test_parliament_finds_no_unknown_action_in_the_policy() -> None:
    # It knows no transforms, whose account is AWS's.
    policy = json.dumps(POLICY).replace(":aws:transform", ":123456789012:transform")
    checked = subprocess.run(
        [str(GATES / "bin" / "python"), "-m", "gates.policies"],
        cwd=ROOT,
        input=f'[["docs/deploy-policy.json", {policy}]]',
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = json.loads(checked.stdout)
    # Lists of actions and resources of several services don't fit each other one by one.
    assert [one for one in found if one[1] not in {"RESOURCE_MISMATCH", "RESOURCE_STAR"}] == []
