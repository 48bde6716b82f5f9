"""The browser, and a stack with learners and teachers who can sign in."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from cli.content import ensure_content
from cli.demo_log import demo_catalog, demo_log
from cli.logs import CatalogRow
from cli.people import Person, ensure_people
from tests.e2e.browser import chromium
from tests.e2e.conftest import Deployed
from tests.e2e.interactions import eventually, interaction
from tests.e2e.page.visits import HARD, LEARNER, LIVE, NEWCOMER, ODD, ODD_TEXTS, OTHER, TEACHER, written
from tests.e2e.test_real_logs import emit_and_wait


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Start the browser for the page's tests, and end it before others start their own."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def url(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page's address, with two learners of the demo's log behind it."""
    rows = [
        CatalogRow("page-live-1", "PAGE", "Storage", None, "Buckets, part 1"),
        *(CatalogRow(content, "HARD", "Networking", "advanced", title) for content, title, _, _ in HARD),
        *(CatalogRow(f"page-odd-{n}", "ODD", text[:100], None, text) for n, text in enumerate(ODD_TEXTS)),
    ]
    ensure_content(stack.stack, [*demo_catalog(), *rows])
    for content, _, rate, learners in HARD:
        stack.stack.client("dynamodb").update_item(
            TableName=stack.outputs["ContentTableName"],
            Key={"content_id": {"S": content}, "certification_type": {"S": "HARD"}},
            UpdateExpression="SET correct_rate = :rate, answered_by = :learners",
            ExpressionAttributeValues={":rate": {"N": str(rate)}, ":learners": {"N": str(learners)}},
        )

    def rates() -> set[float | None]:
        found = stack.stack.store.full_catalog().certifications["HARD"]
        return {content.correct_rate for content in found.contents}

    known: set[float | None] = {rate for _, _, rate, _ in HARD}
    assert eventually(rates, known) == known
    lines = [
        json.dumps({**fields, "user_id": fields["user_id"].replace("demo-", "page-")})
        for fields in demo_log().interactions
        if fields["user_id"] in {"demo-ada", "demo-grace"} and not fields["event_id"].startswith("demo")
    ]
    # Now, and so it is no part of the log, which ends in March.
    lines += [
        json.dumps({**interaction(content_id=f"page-odd-{n}"), "user_id": ODD}) for n in range(len(ODD_TEXTS))
    ]
    log = written(tmp_path_factory.mktemp("page") / "log.jsonl", lines)
    emit_and_wait(stack, log, "--format", "interactions")
    people = [Person(name, "") for name in (LEARNER, OTHER, NEWCOMER, LIVE, ODD)]
    ensure_people(stack.stack, [*people, Person(TEACHER, "", "instructors")])
    return f"{stack.api_url}/"
