"""The transformed template as CloudFormation deploys it with some parameters: no functions, no conditions.

cfn-guard compares values, and parliament needs ARNs, so both read this instead of `!If`, `!Sub` and
`!GetAtt`. What only AWS knows, such as the name of a new stream, is made up in the right form, except that
times have no colons: parliament would take them for those of an ARN.
"""

import re
from collections.abc import Mapping
from typing import Any

ACCOUNT = "111122223333"
REGION = "us-east-1"

PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/streakline/0a1b2c3d-0000-1111-2222",
    "AWS::StackName": "streakline",
    "AWS::URLSuffix": "amazonaws.com",
}

_HERE = f"{REGION}:{ACCOUNT}"
ATTRIBUTES = {
    ("AWS::CloudFront::Distribution", "DomainName"): "{id}.cloudfront.net",
    ("AWS::CloudWatch::Alarm", "Arn"): f"arn:aws:cloudwatch:{_HERE}:alarm:{{id}}",
    ("AWS::Cognito::UserPool", "Arn"): f"arn:aws:cognito-idp:{_HERE}:userpool/{REGION}_{{id}}",
    ("AWS::Cognito::UserPool", "ProviderName"): f"cognito-idp.{REGION}.amazonaws.com/{REGION}_{{id}}",
    ("AWS::DynamoDB::Table", "Arn"): f"arn:aws:dynamodb:{_HERE}:table/{{id}}",
    ("AWS::DynamoDB::Table", "StreamArn"): f"arn:aws:dynamodb:{_HERE}:table/{{id}}/stream/2026-01-01",
    ("AWS::Events::EventBus", "Arn"): f"arn:aws:events:{_HERE}:event-bus/{{id}}",
    ("AWS::Events::Rule", "Arn"): f"arn:aws:events:{_HERE}:rule/bus/{{id}}",
    ("AWS::IAM::Role", "Arn"): f"arn:aws:iam::{ACCOUNT}:role/{{id}}",
    ("AWS::Kinesis::Stream", "Arn"): f"arn:aws:kinesis:{_HERE}:stream/{{id}}",
    ("AWS::KinesisFirehose::DeliveryStream", "Arn"): f"arn:aws:firehose:{_HERE}:deliverystream/{{id}}",
    ("AWS::KMS::Key", "Arn"): f"arn:aws:kms:{_HERE}:key/{{id}}",
    ("AWS::Lambda::Alias", "Ref"): f"arn:aws:lambda:{_HERE}:function:{{id}}:live",
    ("AWS::Lambda::Function", "Arn"): f"arn:aws:lambda:{_HERE}:function:{{id}}",
    ("AWS::Lambda::Version", "Version"): "1",
    ("AWS::Logs::LogGroup", "Arn"): f"arn:aws:logs:{_HERE}:log-group:{{id}}:*",
    ("AWS::S3::Bucket", "Arn"): "arn:aws:s3:::{id}",
    ("AWS::S3::Bucket", "RegionalDomainName"): f"{{id}}.s3.{REGION}.amazonaws.com",
    ("AWS::SNS::Topic", "Ref"): f"arn:aws:sns:{_HERE}:{{id}}",
    ("AWS::SNS::Topic", "TopicArn"): f"arn:aws:sns:{_HERE}:{{id}}",
    ("AWS::SNS::Topic", "TopicName"): "{id}",
    ("AWS::SQS::Queue", "Ref"): f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{{id}}",
    ("AWS::SQS::Queue", "Arn"): f"arn:aws:sqs:{_HERE}:{{id}}",
    ("AWS::SQS::Queue", "QueueName"): "{id}",
    ("AWS::StepFunctions::StateMachine", "Arn"): f"arn:aws:states:{_HERE}:stateMachine:{{id}}",
    ("AWS::StepFunctions::StateMachine", "Name"): "{id}",
    ("AWS::StepFunctions::StateMachine", "Ref"): f"arn:aws:states:{_HERE}:stateMachine:{{id}}",
    ("AWS::WAFv2::WebACL", "Arn"): f"arn:aws:wafv2:{_HERE}:global/webacl/{{id}}/0a1b2c3d",
}
"""What an attribute of a resource looks like. A `Ref` that is not here is the logical id."""

_NO_VALUE = object()


class Resolver:
    """Resolves one template with one set of parameters."""

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, str]) -> None:
        self._template = template
        declared = template.get("Parameters", {})
        if unknown := parameters.keys() - declared.keys():
            raise ValueError(f"the template has no parameters {sorted(unknown)}")
        self._parameters = {
            name: parameters.get(name, definition.get("Default")) for name, definition in declared.items()
        }

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources that CloudFormation makes, by logical id."""
        return {
            name: {key: self._value(value) for key, value in resource.items() if key != "Condition"}
            for name, resource in self._template["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }

    def _condition(self, name: str) -> bool:
        return bool(self._value(self._template["Conditions"][name]))

    def _value(self, value: Any) -> Any:
        if isinstance(value, list):
            items = (self._value(one) for one in value)
            return [one for one in items if one is not _NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            [(name, argument)] = value.items()
            if name == "Condition" and isinstance(argument, str):
                return self._condition(argument)
            if name == "Ref" or name.startswith("Fn::"):
                return self._call(name, argument)
        members = {key: self._value(one) for key, one in value.items()}
        return {key: one for key, one in members.items() if one is not _NO_VALUE}

    def _call(self, name: str, argument: Any) -> Any:
        if name == "Ref":
            return self._reference(argument)
        if name == "Fn::GetAtt":
            return self._attribute(*(argument if isinstance(argument, list) else argument.split(".", 1)))
        if name == "Fn::If":
            condition, then, otherwise = argument
            return self._value(then if self._condition(condition) else otherwise)
        if name == "Fn::Sub":
            return self._substitute(argument)
        arguments = self._value(argument)
        match name:
            case "Fn::Join":
                return arguments[0].join(arguments[1])
            case "Fn::Split":
                return arguments[1].split(arguments[0])
            case "Fn::Select":
                return arguments[1][int(arguments[0])]
            case "Fn::Equals":
                return arguments[0] == arguments[1]
            case "Fn::Not":
                return not arguments[0]
            case "Fn::And":
                return all(arguments)
            case "Fn::Or":
                return any(arguments)
        raise ValueError(f"gates/resolve.py does not know {name}")

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in PSEUDO:
            return PSEUDO[name]
        if name in self._parameters:
            value = self._parameters[name]
            if self._template["Parameters"][name]["Type"] == "CommaDelimitedList":
                return str(value).split(",")
            return value
        return self._attribute(name, "Ref")

    def _attribute(self, name: str, attribute: str) -> str:
        kind = self._template["Resources"][name]["Type"]
        # A bucket's name has no capitals.
        known = name.lower() if kind == "AWS::S3::Bucket" else name
        form = ATTRIBUTES.get((kind, attribute), "{id}" if attribute == "Ref" else None)
        if form is None:
            raise ValueError(f"gates/resolve.py does not know the attribute {attribute} of {kind}")
        return form.replace("{id}", known)

    def _substitute(self, argument: Any) -> str:
        text, variables = (argument, {}) if isinstance(argument, str) else argument

        def replace(found: re.Match[str]) -> str:
            name = found[1]
            if name.startswith("!"):
                return f"${{{name[1:]}}}"
            if name in variables:
                return str(self._value(variables[name]))
            if "." in name:
                return self._attribute(*name.split(".", 1))
            return str(self._reference(name))

        return re.sub(r"\$\{([^}]+)\}", replace, text)
