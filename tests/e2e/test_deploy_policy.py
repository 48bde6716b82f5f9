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
from gates.checks import GATES
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


def test_the_policy_fits_into_one_managed_policy() -> None:
    assert len(re.sub(r"\s", "", json.dumps(POLICY))) <= MAX_CHARACTERS


def test_roles_can_be_made_and_passed_on_only_under_the_stacks_name() -> None:
    for statement in POLICY["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if any(action.startswith("iam:") for action in actions):
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
