"""Print what each role of the template may do, as the table of docs/security.md.

    python -m gates.roles

A test keeps the document and the template in step.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gates.checks import DEPLOYMENTS, transformed
from gates.resolve import Resolver

EVERYTHING = {**DEPLOYMENTS["with all options"], "Views": "both"}
"""Parameters with which the template has all its functions."""
_ANY = "anything"


def table(template: Mapping[str, Any]) -> str:
    """Return the table of a transformed template."""
    lines = ["| role | of | may | on |", "|---|---|---|---|"]
    for role, service, grants in roles(template):
        for number, (actions, resources) in enumerate(grants):
            first = (f"`{role}`", service) if number == 0 else ("", "")
            lines.append(f"| {first[0]} | {first[1]} | {actions} | {resources} |")
    return "\n".join(lines)


def roles(template: Mapping[str, Any]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Yield each role, the service that takes it, and what it may do on what.

    Writing logs and traces is left out: every function may.
    """
    resources = Resolver(template, EVERYTHING).resources()
    policies = [one for one in resources.values() if one["Type"] == "AWS::IAM::Policy"]
    for name, resource in sorted(resources.items()):
        if resource["Type"] != "AWS::IAM::Role":
            continue
        [trusted] = resource["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        documents = [one["PolicyDocument"] for one in resource["Properties"].get("Policies", [])]
        documents += [
            one["Properties"]["PolicyDocument"] for one in policies if name in one["Properties"]["Roles"]
        ]
        grants = [
            (_actions(_listed(statement["Action"])), _resources(_listed(statement["Resource"])))
            for document in documents
            for statement in document["Statement"]
        ]
        left = [grant for grant in grants if not grant[0].startswith(("logs: ", "xray: "))]
        service = trusted["Principal"]["Service"].removesuffix(".amazonaws.com")
        yield name, service, left or [("nothing", "")]


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else value


def _actions(actions: Iterable[str]) -> str:
    by_service: dict[str, list[str]] = {}
    for action in actions:
        service, _, name = action.partition(":")
        by_service.setdefault(service, []).append(name)
    return "; ".join(f"{service}: {', '.join(sorted(names))}" for service, names in by_service.items())


def _resources(arns: Iterable[str]) -> str:
    names = {_ANY if arn == "*" else _name(arn) for arn in arns}
    return ", ".join(name if name == _ANY else f"`{name}`" for name in sorted(names))


def _name(arn: str) -> str:
    """Return the name in an ARN, and what follows it."""
    rest = arn.split(":", 5)[5]
    # The resolver makes up names: the logical ids, in lower case for buckets.
    rest = re.sub(r"^(table|stream|event-bus|function|role|stateMachine|workgroup|log-group)[/:]", "", rest)
    rest = re.sub(r"/stream/.*", "/stream", rest).removesuffix("Aliaslive:live")
    return re.sub(r"^eventlogbucket\b", "EventLogBucket", rest)


if __name__ == "__main__":
    print(table(transformed()))
