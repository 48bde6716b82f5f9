"""The API against its own OpenAPI document: every answer must be one that the document describes."""

import importlib
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.content import ensure_content
from cli.logs import CatalogRow
from tests.e2e.conftest import Deployed

SECONDS = 60
"""Time for an interaction to reach the views. The consumer may have to start first."""
EXAMPLES = "15"
"""Random examples for each operation, besides hundreds at its limits. `SCHEMATHESIS_EXAMPLES` changes it."""
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
CONTENT = "e2e-openapi-1"


@pytest.fixture(scope="module")
def document(stack: Deployed) -> dict[str, Any]:
    ensure_content(stack.stack, [CatalogRow(CONTENT, "GENERAL", "Storage", "beginner")])
    found: dict[str, Any] = stack.call("GET", "/openapi.json")[1]
    return found


@pytest.fixture(scope="module")
def client(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a client that openapi-python-client generates from the document."""
    directory = tmp_path_factory.mktemp("client")
    (directory / "openapi.json").write_text(json.dumps(document))
    generator = str(Path(sys.executable).with_name("openapi-python-client"))
    command = [generator, "generate", "--path", "openapi.json"]
    made = subprocess.run(
        [*command, "--meta", "none", "--output-path", "streakline_client"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Warning" not in made.stdout, made.stdout
    sys.path.insert(0, str(directory))
    try:
        yield importlib.import_module("streakline_client")
    finally:
        sys.path.remove(str(directory))


def test_a_generated_client_posts_an_interaction_and_reads_a_dashboard(stack: Deployed, client: Any) -> None:
    api = client.AuthenticatedClient(
        stack.api_url, stack.token(user="e2e-generated"), raise_on_unexpected_status=True
    )
    post = importlib.import_module("streakline_client.api.interactions.post_interaction")
    read = importlib.import_module("streakline_client.api.views.dashboard")
    models = importlib.import_module("streakline_client.models")
    posted = models.PostedInteraction(
        content_id=CONTENT,
        interaction_type=models.PostedInteractionInteractionType.ANSWERED,
        occurred_at=datetime.now(UTC) - timedelta(minutes=1),
        score=90.0,
    )
    accepted = post.sync("me", client=api, body=posted)
    assert accepted.status == "accepted"
    deadline = time.monotonic() + SECONDS
    while not (dashboard := read.sync("me", client=api)).overall_analytics.total_interactions:
        assert time.monotonic() < deadline, "the interaction is not in the views"
        time.sleep(0.2)
    assert dashboard.overall_analytics.total_interactions == 1
    assert dashboard.overall_analytics.average_score == 90.0


def test_every_answer_is_one_that_the_document_describes(
    stack: Deployed, document: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(document))
    report = tmp_path / "report.ndjson"
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", str(path)),
        *("--url", stack.api_url),
        *("--header", f"Authorization: Bearer {stack.token('admins')}"),
        *("--checks", ",".join(CHECKS)),
        *("--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", EXAMPLES)),
        *("--phases", "examples,coverage,fuzzing"),
        *("--seed", "17", "--workers", "1", "--no-color", "--suppress-health-check", "all"),
        *("--generation-with-security-parameters", "false"),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]
    made = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert made.returncode == 0, made.stdout[-6000:] + made.stderr
    print(made.stdout[-1500:])
