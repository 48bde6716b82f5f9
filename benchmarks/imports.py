"""Measure how long the functions take to import in a fresh interpreter, and which imports take longest.

python -m benchmarks.imports
"""

import os
import re
import subprocess
import sys
from statistics import median
from time import perf_counter

RUNS = 7
SHOWN = 8
ENVIRONMENT = {
    **os.environ,
    "ALLOWED_ORIGIN": "",
    "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
    "POWERTOOLS_SERVICE_NAME": "streakline",
}


def seconds(statement: str) -> float:
    """Return the median time of a fresh interpreter that runs only this statement."""
    took = []
    for _ in range(RUNS):
        begin = perf_counter()
        subprocess.run([sys.executable, "-c", statement], env=ENVIRONMENT, check=True)
        took.append(perf_counter() - begin)
    return median(took)


def main() -> None:
    """Print the time that each import adds to the start of Python."""
    empty = seconds("pass")
    for module in ("boto3", "aws_lambda_powertools.event_handler", "functions.read", "functions.project"):
        print(f"{module:40} {1000 * (seconds(f'import {module}') - empty):6.0f} ms")
    command = [sys.executable, "-X", "importtime", "-c", "import functions.read"]
    log = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True, text=True).stderr
    found = re.findall(r"\|\s+(\d+) \| (\s*)(\S+)", log)
    print("\nThe slowest imports of functions.read, each with everything that it imports itself:")
    for took, _, module in sorted(found, key=lambda row: -int(row[0]))[:SHOWN]:
        print(f"{module:40} {int(took) / 1000:6.0f} ms")


if __name__ == "__main__":
    main()
