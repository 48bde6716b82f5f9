"""What the gates find in the template, and which findings are waived."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MAX_WAIVERS = 8
WAIVERS = Path(__file__).with_name("waivers.toml")


@dataclass(frozen=True, order=True)
class Finding:
    """A rule that a resource breaks. `gate` is the tool that has the rule."""

    gate: str
    rule: str
    resource: str
    text: str

    def __str__(self) -> str:
        return f"{self.resource}: {self.rule} ({self.gate}): {self.text}"


@dataclass(frozen=True)
class Waiver:
    """A rule that some resources may break, and why."""

    gate: str
    rule: str
    resources: frozenset[str]
    reason: str

    def covers(self, finding: Finding) -> bool:
        """Return whether this waiver is about the finding."""
        return (finding.gate, finding.rule) == (self.gate, self.rule) and finding.resource in self.resources


def read_waivers(path: Path = WAIVERS) -> list[Waiver]:
    """Return the waivers of a file. Raise ValueError if there are too many, or if one has no reason."""
    waivers = [
        Waiver(one["gate"], one["rule"], frozenset(one["resources"]), one["reason"])
        for one in tomllib.loads(path.read_text()).get("waiver", [])
    ]
    if len(waivers) > MAX_WAIVERS:
        raise ValueError(f"{path.name} has {len(waivers)} waivers; {MAX_WAIVERS} are allowed")
    if nameless := [waiver.rule for waiver in waivers if not waiver.reason.strip() or not waiver.resources]:
        raise ValueError(f"{path.name}: without a reason or resources: {nameless}")
    return waivers


def not_waived(findings: Sequence[Finding], waivers: Sequence[Waiver]) -> list[str]:
    """Return what is wrong: findings that no waiver covers, and what is waived without need."""
    wrong = [str(one) for one in findings if not any(waiver.covers(one) for waiver in waivers)]
    for waiver in waivers:
        needed = {one.resource for one in findings if waiver.covers(one)}
        for resource in sorted(waiver.resources - needed):
            wrong.append(f"{resource}: the waiver of {waiver.rule} is not needed any more")
    return wrong
