"""Print what parliament finds in policy documents. It runs in an environment that has parliament.

It reads a list of [name, document] from the standard input, and prints a list of [name, issue, text], both
as JSON.
"""

import json
import sys

import parliament

if __name__ == "__main__":
    found = []
    for name, document in json.load(sys.stdin):
        for finding in parliament.analyze_policy_string(json.dumps(document)).findings:
            explained = parliament.enhance_finding(finding)
            found.append([name, finding.issue, f"{explained.title}: {finding.detail}"])
    sys.stdout.write(json.dumps(found))
