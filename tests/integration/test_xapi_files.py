"""Files of xAPI statements, emitted through the stream, and what the catalog gets of them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import cli.emit
from cli import stack
from cli.__main__ import main
from cli.content import missing
from cli.logs import CatalogRow
from cli.stack import Stack
from tests.integration.conftest import World, streamed
from tests.integration.test_redrive import make_stack
from tests.integration.test_xapi import PAUSED, statement

type Emit = Callable[..., Any]


@pytest.fixture
def emit(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Emit:
    """Return a function that emits a file with this text, and returns the command's summary or its result."""
    connected: Stack = make_stack(world)
    connected.outputs["XapiContentPrefixes"] = "https://learn.example.com/content/"
    monkeypatch.setattr(stack, "connect", lambda *_: connected)
    monkeypatch.setattr(cli.emit, "add_to_manifest", lambda *_: None)
    # The catalog function does not run here.
    emitted: list[Any] = []
    monkeypatch.setattr(cli.emit, "ensure_content", lambda _, rows: emitted.extend(rows))

    def run(text: str, *options: str, as_json: bool = True) -> Any:
        path = tmp_path / "statements.json"
        path.write_text(text, "utf-8")
        options = ("emit", str(path), "--format", "xapi", *(("--json",) if as_json else ()), *options)
        result = CliRunner().invoke(main, [*options, "--yes"])
        if result.exit_code or not as_json:
            return result
        return json.loads(result.stdout) | {"catalog": emitted}

    return run


SENT = [statement(1), statement(2, verb={"id": PAUSED}), statement(3, object={"id": "http://e.com/1"})]
LINES = "\n".join(map(json.dumps, SENT))
FORMS = {
    "JSON lines": (LINES, 2),
    "JSON lines with an empty one": (f"\n{LINES}\n\n", 3),
    "an array": (json.dumps(SENT), 1),
    "an array over several lines": ("[\n" + ",\n".join(map(json.dumps, SENT)) + "\n]\n", 3),
    "an answer of a store": (json.dumps({"statements": SENT, "more": ""}), 1),
    "an answer of a store over several lines": (json.dumps({"statements": SENT, "more": ""}, indent=2), 1),
    "statements over several lines": ("\n".join(json.dumps(each, indent=1) for each in SENT), 23),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_statements_is_emitted_in_each_form(emit: Emit, form: str) -> None:
    text, line = FORMS[form]
    summary = emit(text)
    assert (summary["rows"], summary["emitted"], summary["bad"]) == (3, 2, [])
    assert [record["event_id"][-1] for record in streamed()] == ["1", "3"]
    [fault] = summary["not_understood"]
    assert (fault["line"], fault["column"]) == (line, "verb.id")
    assert summary["left_out"] == {f"verb.id: {fault['message']}": 1}
    assert [tuple(row) for row in summary["catalog"]] == [
        ("e-com-1-dcf26d80", "GENERAL", "", None, None, True),
        ("saa-1", "GENERAL", "", None, None, True),
    ]


def test_what_is_not_understood_is_listed_by_line_and_counted_by_reason(emit: Emit) -> None:
    result = emit(LINES, as_json=False)
    assert result.exit_code == 0
    reason = f"verb.id: {PAUSED!r} does not count as an interaction with content"
    assert f"statements.json:2: {reason}" in result.output
    assert f"not an interaction:      1  {reason}" in result.output


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{LINES}\n7", ":4: it is not a JSON object"),
        (f"{LINES}\n{{", ":4: it is not JSON"),
        (f"[{LINES.replace(chr(10), ',' + chr(10))}", ":3: the array has no end"),
        ('[{"a": 1},\n{"b" 2}]', ":2: it is not JSON"),
        ('[{"a": 1}, 7]', ":1: it is not a JSON object"),
        ('{"statements": [7]}', ":1: it is not a JSON object"),
        ('{"statements": 7}', None),
    ],
)
def test_a_bad_file_of_statements_is_refused_by_line(emit: Emit, text: str, message: str | None) -> None:
    result = emit(text)
    if message is None:
        assert result["bad"] == []
    else:
        assert result.exit_code == 1
        assert message in result.output
        assert "Traceback" not in result.output
        assert streamed() == []


def test_bad_lines_can_be_skipped(emit: Emit) -> None:
    lines = LINES.splitlines()
    summary = emit("\n".join([lines[0], "{", "7", lines[2]]), "--skip-bad")
    assert (summary["rows"], summary["emitted"]) == (4, 2)
    assert [fault["line"] for fault in summary["bad"]] == [2, 3]


def test_the_catalog_gets_what_statements_say_about_an_activity(emit: Emit) -> None:
    course = {
        "id": "https://learn.example.com/content/saa-1",
        "definition": {
            "type": "http://adlnet.gov/expapi/activities/assessment",
            "name": {"de": "Speicher", "en-US": "Storage"},
        },
    }
    of_saa = {"extensions": {"urn:streakline:certification_type": "SAA"}}
    of_dva = {"extensions": {"urn:streakline:certification_type": "DVA"}}
    sent = [
        statement(1, object=course, context=of_saa),
        statement(2, object=course, context=of_dva),
        statement(3, object=course),
        statement(4, object={"id": "urn:x:1", "definition": {"name": {"fi": "Tallennus"}, "type": 7}}),
        statement(5, object={"id": "urn:x:2", "definition": {"type": "https://w3id.org/xapi/video/video/"}}),
    ]
    summary = emit(json.dumps(sent))
    assert [tuple(row) for row in summary["catalog"]] == [
        ("saa-1", "DVA", "assessment", None, "Storage", False),
        ("saa-1", "SAA", "assessment", None, "Storage", False),
        ("urn:x:1", "GENERAL", "", None, "Tallennus", True),
        ("urn:x:2", "GENERAL", "video", None, None, True),
    ]
    assert [record.get("certification_type") for record in streamed()] == ["SAA", "DVA", None, None, None]


def test_content_of_any_certification_is_not_added_again(world: World) -> None:
    rows = [
        CatalogRow("saa-1", "GENERAL", "", in_any_certification=True),
        CatalogRow("dva-1", "GENERAL", ""),
        CatalogRow("new-1", "GENERAL", "", in_any_certification=True),
    ]
    assert missing(world.store.full_catalog(), rows) == rows[1:]
