"""xAPI statements as interactions: pairs of raw and expected files, and properties of all JSON objects."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.interaction import parse
from domain.xapi import NotUnderstood, interaction_of, learner_of
from domain.xapi_verbs import VERBS

SAMPLES = Path(__file__).parent / "xapi"
RAW = sorted((SAMPLES / "raw").glob("*.json"))
PREFIXES = ["https://learn.example.com/", "https://learn.example.com/content/"]
ARRIVAL = datetime(2026, 3, 3, tzinfo=UTC)


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def outcome(statement: dict[str, Any]) -> dict[str, Any]:
    """Return the interaction that a statement is, or why it is none."""
    try:
        return interaction_of(statement, PREFIXES)
    except NotUnderstood as error:
        return {"not_understood": str(error)}


@pytest.mark.parametrize("raw", RAW, ids=lambda path: path.stem)
def test_a_sample_becomes_what_its_pair_says(raw: Path) -> None:
    statements = read(raw)
    found = [outcome(each) for each in (statements if isinstance(statements, list) else [statements])]
    assert found == read(SAMPLES / "expected" / raw.name)
    for fields in found:
        if "not_understood" not in fields:
            parse(fields, ARRIVAL)
