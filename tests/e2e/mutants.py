"""Changes of the transformed template that the gates must not miss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

TRUST = ("AssumeRolePolicyDocument", "Statement", 0)
OWN = "cfn-guard"
Resources = dict[str, Any]
Change = Callable[[Resources], object]


@dataclass(frozen=True)
class Mutant:
    """A change of the transformed template's resources, and the finding it must lead to."""

    name: str
    change: Change
    gate: str
    rule: str
    resource: str


def without(resource: str, *path: str | int) -> Change:
    """Return a change that takes out a property. The path starts at the resource's properties."""

    def change(resources: Resources) -> None:
        within = resources[resource]["Properties"]
        for key in path[:-1]:
            within = within[key]
        del within[path[-1]]

    return change


def without_rule(bucket: str, name: str) -> Change:
    """Return a change that takes out a rule of a bucket's lifecycle."""

    def change(resources: Resources) -> None:
        rules = resources[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
        [found] = [one for one in rules if one.get("Id") == name]
        rules.remove(found)

    return change


def setting(value: Any, resource: str, *path: str | int) -> Change:
    """Return a change that sets a property."""

    def change(resources: Resources) -> None:
        within = resources[resource]["Properties"]
        for key in path[:-1]:
            within = within[key]
        within[path[-1]] = value

    return change


def allowing(role: str, action: str, **members: Any) -> Change:
    """Return a change of the statement of a role that allows an action."""

    def change(resources: Resources) -> None:
        statements = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        [found] = [one for one in statements if action in one["Action"]]
        found.update(members)

    return change


def stating(resource: str, **members: Any) -> Change:
    """Return a change of the first statement of a policy. A member that is None is taken out."""

    def change(resources: Resources) -> None:
        statement = resources[resource]["Properties"]["PolicyDocument"]["Statement"][0]
        statement.update(members)
        for name in [name for name, value in statement.items() if value is None]:
            del statement[name]

    return change


def adding(resource: str, kind: str, **properties: Any) -> Change:
    return lambda resources: resources.update({resource: {"Type": kind, "Properties": properties}})


def removing(resource: str) -> Change:
    return lambda resources: resources.pop(resource)


def attribute(resource: str, name: str) -> Change:
    return lambda resources: resources[resource].pop(name)
