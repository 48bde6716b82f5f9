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
from tests.e2e.page.visits import LEARNER, LIVE, NEWCOMER, ODD, OTHER, TEACHER, written
from tests.e2e.test_real_logs import emit_and_wait


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="session")
def url(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the page's address, with two learners of the demo's log behind it."""
    live = CatalogRow("page-live-1", "PAGE", "Storage", None, "Buckets, part 1")
    ensure_content(stack.stack, [*demo_catalog(), live])
    lines = [
        json.dumps({**fields, "user_id": fields["user_id"].replace("demo-", "page-")})
        for fields in demo_log().interactions
        if fields["user_id"] in {"demo-ada", "demo-grace"} and not fields["event_id"].startswith("demo")
    ]
    log = written(tmp_path_factory.mktemp("page") / "log.jsonl", lines)
    emit_and_wait(stack, log, "--format", "interactions")
    people = [Person(name, "") for name in (LEARNER, OTHER, NEWCOMER, LIVE, ODD)]
    ensure_people(stack.stack, [*people, Person(TEACHER, "", "instructors")])
    return f"{stack.api_url}/"
