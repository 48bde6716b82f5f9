"""Interactions that the tests post, and waiting for their effect."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from cli.content import ensure_content
from cli.logs import CatalogRow
from cli.stack import Stack

CONTENT = "e2e-api-1"


def ensure_test_content(stack: Stack) -> None:
    """Put the content of these interactions and statements into the stack's catalog."""
    contents = (CONTENT, f"urn:{CONTENT}")
    ensure_content(stack, [CatalogRow(each, "GENERAL", "Storage", "beginner") for each in contents])


def interaction(**fields: Any) -> dict[str, Any]:
    """Return a new interaction of a minute ago."""
    occurred_at = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "event_id": secrets.token_hex(8),
        "content_id": CONTENT,
        "interaction_type": "answered",
        "occurred_at": occurred_at.isoformat(),
        "score": 80,
        **fields,
    }


def exam(**fields: Any) -> dict[str, Any]:
    """Return a new result of an exam of a minute ago."""
    occurred_at = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "event_id": secrets.token_hex(8),
        "certification_type": "GENERAL",
        "occurred_at": occurred_at.isoformat(timespec="seconds"),
        "passed": True,
        "score": 81.5,
        **fields,
    }


def statement(learner: str, **fields: Any) -> dict[str, Any]:
    """Return a new xAPI statement of a minute ago about a learner."""
    occurred_at = datetime.now(UTC) - timedelta(minutes=1)
    return {
        "id": str(uuid4()),
        "actor": {"account": {"homePage": "https://learn.example.com", "name": learner}},
        "verb": {"id": "http://adlnet.gov/expapi/verbs/answered"},
        "object": {"id": f"urn:{CONTENT}"},
        "result": {"score": {"scaled": 0.8}, "duration": "PT1M"},
        "timestamp": occurred_at.isoformat(timespec="seconds"),
        **fields,
    }


def eventually[T](look: Callable[[], T], wanted: T, seconds: float = 60) -> T:
    """Call `look` until it returns what is wanted, for so many seconds. Return what it returned last."""
    deadline = time.monotonic() + seconds
    while (found := look()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return found
