"""Check the template, and print the number of waivers. End with 1 if a finding is not waived."""

import sys

from gates.checks import find, transformed
from gates.findings import not_waived, read_waivers


def main() -> int:
    """Run all gates."""
    findings, waivers = find(transformed()), read_waivers()
    wrong = not_waived(findings, waivers)
    for line in wrong:
        print(line)
    waived = len(findings) - sum(1 for one in findings if not any(waiver.covers(one) for waiver in waivers))
    print(
        f"Gates on the transformed template: {len(wrong)} findings; "
        f"{waived} more are covered by {len(waivers)} waivers (gates/waivers.toml)."
    )
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
