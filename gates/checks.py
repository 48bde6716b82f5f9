"""The gates: cfn-lint, parliament, cfn-guard and gates/literals.py on the transformed template."""

import json
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from cli.local import TOOLS
from cli.stack import ROOT
from gates.findings import Finding
from gates.literals import literals
from gates.resolve import REGION, Resolver

RULES = Path(__file__).with_name("rules.guard")
"""The project's own rules for cfn-guard."""
GATES = ROOT / ".cache" / "gates"
_PACKAGE = GATES / "cfn-guard" / "package"
_EXECUTABLES = {
    ("Linux", "x86_64"): "ubuntu/x86_64",
    ("Linux", "aarch64"): "ubuntu/aarch64",
    ("Darwin", "x86_64"): "macos/x86_64",
    ("Darwin", "arm64"): "macos/aarch64",
}

CONTROL_TOWER = (
    "apigateway/ct-apigateway-pr-4",  # access logs
    "apigateway/ct-apigateway-pr-5",  # authorization of routes
    "cloudfront/ct-cloudfront-pr-3",  # https for viewers
    "cloudfront/ct-cloudfront-pr-5",  # access logs
    "cloudfront/ct-cloudfront-pr-8",  # https to the origin
    "cloudfront/ct-cloudfront-pr-11",  # no old TLS to the origin
    "cloudwatch/ct-cloudwatch-pr-1",  # an action of each alarm
    "cloudwatch/ct-cloudwatch-pr-4",  # actions are enabled
    "dynamodb/ct-dynamodb-pr-1",  # point-in-time recovery
    "dynamodb/ct-dynamodb-pr-2",  # encryption with KMS
    "identityandaccessmanagement/ct-iam-pr-1",  # no administrator's rights
    "identityandaccessmanagement/ct-iam-pr-5",  # no full access to a service
    "keymanagementservice/ct-kms-pr-1",  # rotation
    "kinesis/ct-kinesis-pr-1",  # encryption
    "lambda/ct-lambda-pr-2",  # no public functions
    "s3/ct-s3-pr-1",  # no public access
    "s3/ct-s3-pr-5",  # no ACLs
    "s3/ct-s3-pr-6",  # lifecycle
    "s3/ct-s3-pr-8",  # TLS only
    "sqs/ct-sqs-pr-2",  # encryption
    "waf/ct-wafv2-pr-1",  # a web ACL has rules
)
"""AWS Control Tower's proactive controls that are in use."""

_TABLE = f"arn:aws:dynamodb:{REGION}:111122223333:table"
DEPLOYMENTS: dict[str, dict[str, str]] = {
    "as it comes": {},
    "with all options": {
        "AlarmEmail": "operations@learn.example",
        "AllowedOrigins": "https://learn.example,https://teach.example",
        "Cdn": "with-waf",
        "ContentTableStreamArn": f"{_TABLE}/content/stream/2026-01-01",
        "DocsUi": "on",
        "EventLogDays": "365",
        "GradualDeployment": "true",
        "JwtAudience": "learn,teach",
        "JwtIssuer": "https://issuer.example",
        "PageUrls": "https://learn.example/progress/",
        "ProgressTableStreamArn": f"{_TABLE}/progress/stream/2026-01-01",
        "SignInAuthorizeUrl": "https://issuer.example/authorize",
        "SignInClientId": "page",
        "SignInTokenUrl": "https://issuer.example/token",
        "Views": "both",
        "XapiContentPrefixes": "https://learn.example/content/",
    },
}
"""The parameters with which cfn-guard and parliament see the template. Both keep the data."""

Template = Mapping[str, Any]


@cache
def _transformed() -> str:
    return _run(TOOLS / "python", "-m", "gates.transform", "template.yaml")


def transformed() -> dict[str, Any]:
    """Return template.yaml after SAM's transform."""
    template: dict[str, Any] = json.loads(_transformed())
    return template


def find(template: Template) -> list[Finding]:
    """Return what all gates find in a transformed template, each finding once."""
    return sorted({*lint(template), *audit(template), *guard(template), *literals(template)})


def lint(template: Template) -> Iterator[Finding]:
    """Yield what cfn-lint finds: errors and warnings."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(template, file)
        file.flush()
        arguments = ("--format", "json", "--regions", REGION, "--", file.name)
        found = json.loads(_run(TOOLS / "cfn-lint", *arguments, failing=True))
    for one in found:
        path = one["Location"]["Path"] or ["", ""]
        yield Finding("cfn-lint", one["Rule"]["Id"], str(path[1]), one["Message"])


def audit(template: Template) -> Iterator[Finding]:
    """Yield what parliament finds in the documents of all policies, those of roles' trust included."""
    documents = [
        [name, document]
        for parameters in DEPLOYMENTS.values()
        for name, resource in Resolver(template, parameters).resources().items()
        for document in policy_documents(resource["Properties"])
    ]
    found = json.loads(_run(GATES / "bin" / "python", "-m", "gates.policies", given=json.dumps(documents)))
    for name, issue, text in found:
        yield Finding("parliament", issue, name, text)


def policy_documents(properties: Any) -> Iterator[dict[str, Any]]:
    """Yield the policy documents anywhere in a resource's properties.

    A role's trust policy has no resources; it is given the roles of the account, which are what it is about.
    """
    if isinstance(properties, dict):
        if "Statement" in properties and "Version" in properties:
            statements = [
                one
                if "Resource" in one or "NotResource" in one
                else {**one, "Resource": "arn:aws:iam::111122223333:role/made-up"}
                for one in properties["Statement"]
            ]
            yield {**properties, "Statement": statements}
        else:
            for one in properties.values():
                yield from policy_documents(one)
    elif isinstance(properties, list):
        for one in properties:
            yield from policy_documents(one)


def files_of_rules() -> list[Path]:
    """Return the files with Control Tower's rules and the project's own."""
    control_tower = _PACKAGE / "rules" / "control-tower" / "cfn-guard"
    return [RULES, *(control_tower / f"{name}.guard" for name in CONTROL_TOWER)]


def guard(template: Template, rules: Sequence[Path] | None = None) -> Iterator[Finding]:
    """Yield what cfn-guard finds with some files of rules; by default, with all."""
    executable = _PACKAGE / "bin" / _EXECUTABLES[platform.system(), platform.machine()] / "cfn-guard"
    rules = rules or files_of_rules()
    with tempfile.TemporaryDirectory() as directory:
        for name, parameters in DEPLOYMENTS.items():
            # Control Tower's rules run on what has the keys of a template.
            resolved = {"Resources": Resolver(template, parameters).resources()}
            (Path(directory) / f"{name}.json").write_text(json.dumps(resolved))
        answer = _run(
            executable, "validate", "--structured", "--output-format", "json", "--show-summary", "none",
            "--data", directory, *(part for rule in rules for part in ("--rules", str(rule))), failing=True,
        )  # fmt: skip
    for report in json.loads(answer):
        if unread := rules_in(rules) - _judged(report):
            # cfn-guard leaves out a file that it can't read, and goes on.
            raise RuntimeError(f"cfn-guard did not judge {', '.join(sorted(unread))}")
        for broken in report["not_compliant"]:
            rule = broken["Rule"]["name"]
            for resource in sorted(set(re.findall(r'"/Resources/(\w+)', json.dumps(broken)))) or [""]:
                yield Finding("cfn-guard", rule, resource, _messages(broken))


def rules_in(files: Iterable[Path]) -> set[str]:
    """Return the names of the rules in some files, except those with parameters, which others call."""
    return {
        name for path in files for name in re.findall(r"^rule (\w+)\b(?!\()", path.read_text(), re.MULTILINE)
    }


def _judged(report: Mapping[str, Any]) -> set[str]:
    """Return the names of the rules that a report is about, whatever it says of them."""
    broken = {one["Rule"]["name"] for one in report["not_compliant"]}
    return {*report["compliant"], *report["not_applicable"], *broken}


def _messages(broken: Any) -> str:
    """Return the first text that a rule's author wrote for what is broken."""
    text = re.search(r'"custom_message": "((?:[^"\\]|\\.)+)"', json.dumps(broken))
    return " ".join(json.loads(f'"{text[1]}"').split()) if text else "see the rule"


def _run(program: Path, *arguments: str, given: str = "", failing: bool = False) -> str:
    """Return what a program prints. Raise an error if it fails, unless findings make it fail."""
    made = subprocess.run(
        [str(program), *arguments],
        cwd=ROOT,
        env={**os.environ, "AWS_DEFAULT_REGION": REGION},
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode and not (failing and made.stdout):
        raise RuntimeError(f"{program.name} failed: {made.stderr[-2000:]}")
    return made.stdout
