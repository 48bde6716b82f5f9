"""The metric by which a deployment takes a version back, and what a version makes before a snapshot."""

import json
import subprocess
import sys

import pytest

from functions import project, read
from tests.integration.conftest import Context, World, interaction, stream_event
from tests.integration.http_events import get
from tests.integration.template import TEMPLATE
from tests.integration.test_project import damage

IMPORTED = """
import json, os, socket

os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"] = "snap-start"
def refuse(*_):
    raise AssertionError("a connection")
socket.socket.connect = socket.create_connection = refuse
from functions import aws, generations, ingest, project, read
print(json.dumps({
    "clients": aws._client.cache_info().currsize,
    "projectors": project.projector.cache_info().currsize,
    "generations": generations.generations.cache_info().currsize,
}))
"""


def emitted(printed: str) -> list[tuple[str, str, float]]:
    """Return function, version and number of each metric of troubles among printed lines."""
    lines = [json.loads(line) for line in printed.splitlines() if '"TroublesByVersion"' in line]
    for line in lines:
        [metric] = line["_aws"]["CloudWatchMetrics"]
        assert metric["Namespace"] == "Streakline"
        assert [set(names) for names in metric["Dimensions"]] == [{"service", "function", "version"}]
    return [(line["function"], line["version"], sum(line["TroublesByVersion"])) for line in lines]


@pytest.mark.parametrize("attribute", [{"format": {"N": "99"}}, {"format": {"S": "two"}}])
def test_the_consumer_counts_learners_in_trouble_by_its_version(
    world: World, capsys: pytest.CaptureFixture[str], attribute: dict[str, dict[str, str]]
) -> None:
    world.project(interaction("a"), interaction("a", user_id="bob"))
    damage(world, "ann", "STATE", attribute)
    capsys.readouterr()
    project.handler(stream_event(interaction("b"), interaction("b", user_id="bob")), Context())
    assert emitted(capsys.readouterr().out) == [("streakline-function", "7", 1)]
    project.handler(stream_event(interaction("c", user_id="bob")), Context())
    assert emitted(capsys.readouterr().out) == []


def test_a_bug_of_the_consumer_is_counted_by_its_version(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project, "fold", lambda *_, **__: 1 // 0)
    project.handler(stream_event(interaction("a")), Context())
    assert emitted(capsys.readouterr().out) == [("streakline-function", "7", 1)]


def test_the_api_counts_unreadable_items_and_bugs_by_its_version(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.project(interaction("a"))
    assert get("streak")[0] == 200
    assert emitted(capsys.readouterr().out) == []
    damage(world, "ann", "STATE", {"format": {"N": "99"}})
    assert get("streak")[0] == 503
    assert emitted(capsys.readouterr().out) == [("streakline-function", "7", 1)]
    monkeypatch.setattr(read, "view_context", lambda *_: 1 // 0)
    assert get("streak")[0] == 500
    assert emitted(capsys.readouterr().out) == [("streakline-function", "7", 1)]


def test_a_process_makes_its_clients_before_a_snapshot_and_calls_nothing(world: World) -> None:
    made = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        cwd=TEMPLATE.parent,
        stdout=subprocess.PIPE,
        check=True,
        env={
            **dict.fromkeys(
                ("BLUE_VIEWS_TABLE", "VIEWS_TABLE", "CONTROL_TABLE", "QUARANTINE_URL", "EVENT_LOG_BUCKET"),
                "name",
            ),
            "STREAK_FREEZES": "0",
            "GENERATION": "blue",
            "POWERTOOLS_SERVICE_NAME": "streakline",
            "POWERTOOLS_METRICS_NAMESPACE": "Streakline",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "PYTHONPATH": str(TEMPLATE.parent),
        },
    )
    # DynamoDB, SQS, S3 and Kinesis.
    assert json.loads(made.stdout) == {"clients": 4, "projectors": 1, "generations": 1}
