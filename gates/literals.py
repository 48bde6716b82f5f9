"""What the template must not spell out: a partition, an account, a region, and secrets.

cfn-lint looks for ARNs in `Fn::Sub` only, and no tool that is in use looks for secrets. This reads the
transformed template as it is, because a resolved one has partitions and accounts everywhere.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gates.findings import Finding

_FORBIDDEN = {
    "partitions_are_those_of_the_stack": (
        re.compile(r"\barn:aws[a-z-]*:"),
        "CloudFormation would refuse it in another partition",
    ),
    "accounts_are_those_of_the_stack": (
        re.compile(r"(?<![\w-])\d{12}(?![\w-])"),
        "It would be somebody else's in another account",
    ),
    "regions_are_those_of_the_stack": (
        re.compile(r"[:.@](?:[a-z]{2}|us-gov|us-iso[a-z]?)-[a-z]+-\d[:.]"),
        "It would be elsewhere in another region",
    ),
    # The names of services have one part before it and are the same in all partitions.
    "hosts_are_those_of_the_partition": (
        re.compile(r"\.[^\s/]+\.amazonaws\.com"),
        "Another partition has another domain",
    ),
    "nothing_is_a_secret": (
        re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|-----BEGIN |\{\{resolve:"),
        "Whoever reads the template or the function would have it",
    ),
}
_SECRET = re.compile(r"secret|passw|credential|(?:access|api|private)_?key|_token$", re.IGNORECASE)


def literals(template: Mapping[str, Any]) -> Iterator[Finding]:
    """Yield what a transformed template spells out and must not."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        for text in _texts(properties):
            for rule, (pattern, why) in _FORBIDDEN.items():
                if found := pattern.search(text):
                    yield Finding("literals", rule, name, f"{found[0]}: {why}")
        for variable in properties.get("Environment", {}).get("Variables", {}):
            if _SECRET.search(variable):
                why = "Whoever may look at the function can read its variables"
                yield Finding("literals", "no_variable_holds_a_secret", name, f"{variable}: {why}")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
