"""The functions on the lowest boto3 that is supported, from their own package, against the local stack."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cli.stack import LOCAL_ENVIRONMENT, ROOT
from tests.e2e.conftest import Deployed

LOWEST = ROOT / "requirements" / "lowest.txt"

EVERY_KIND_OF_CALL = """
import json, os
import botocore
from functions import aws, generations, project, read, stream

projector = project.projector()
projector.store.catalog(projector.catalog, projector.store.head())
answer = read.store().read("nobody", 20000)
put_all = stream.put([{"user_id": "lowest"}])
aws.sqs().get_queue_attributes(QueueUrl=os.environ["QUARANTINE_URL"])
aws.s3().put_object(Bucket=os.environ["EVENT_LOG_BUCKET"], Key="quarantine/lowest", Body=b"payload")
put = aws.eventbridge().put_events(
    Entries=[{"EventBusName": os.environ["BUS_NAME"], "Source": "test", "DetailType": "test", "Detail": "{}"}]
)
print(json.dumps({
    "botocore": botocore.__version__,
    "epochs": len(generations.generations().epochs()),
    "stored": answer is not None,
    "taken": put_all,
    "refused": put["FailedEntryCount"],
}))
"""


@pytest.fixture(scope="module")
def lowest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the lowest supported boto3."""
    target = tmp_path_factory.mktemp("boto3")
    install = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(target)]
    command = ["bash", "-c", 'source scripts/uv.sh && uv "$@"', "uv", *install, "--require-hashes"]
    subprocess.run([*command, "-r", str(LOWEST)], cwd=ROOT, check=True)
    return target


def test_the_functions_call_every_service_with_the_lowest_supported_boto3(
    stack: Deployed, lowest: Path
) -> None:
    outputs = stack.outputs
    package = ROOT / ".aws-sam" / "build" / "ProjectFunction"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        **LOCAL_ENVIRONMENT,
        "AWS_ENDPOINT_URL": stack.stack.endpoint_url or "",
        "PYTHONPATH": os.pathsep.join(map(str, (package, lowest))),
        "POWERTOOLS_SERVICE_NAME": "streakline",
        "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
        "VIEWS_TABLE": outputs["ViewsTableName"],
        "BLUE_VIEWS_TABLE": outputs["ViewsTableName"],
        "CONTROL_TABLE": outputs["ControlTableName"],
        "GENERATION": "blue",
        "STREAM_NAME": outputs["StreamName"],
        "BUS_NAME": outputs["BusName"],
        "QUARANTINE_URL": outputs["QuarantineUrl"],
        "EVENT_LOG_BUCKET": outputs["EventLogBucket"],
        "STREAK_FREEZES": "0",
    }
    # -S leaves out the packages of the environment of the tests, which has a newer boto3.
    command = [sys.executable, "-P", "-S", "-c", EVERY_KIND_OF_CALL]
    made = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(made.stdout.splitlines()[-1])
    [locked] = [line for line in LOWEST.read_text().splitlines() if line.startswith("botocore==")]
    assert f"botocore=={found.pop('botocore')}" in locked
    assert found == {"epochs": 1, "stored": False, "taken": [True], "refused": 0}
