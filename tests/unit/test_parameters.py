"""The page about the template's parameters, and what other documents say about them."""

import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from cli import parameters
from tests.integration.template import template
from tests.unit.test_documents import code, every_document

MADE_UP = """
Parameters:
  Colour:
    Type: String
    Default: ""
    AllowedPattern: "(red|blue)?"
    ConstraintDescription: must be red or blue
    Description: >-
      The colour of the page: red|blue,
      or none.
  Size: { Type: Number, Default: 1000, MinValue: 1, MaxValue: 2000, Description: Its size. }
  Depth: { Type: Number, Default: 0, MinValue: 0, Description: Its depth. }
  Kept: { Type: String, Default: "yes", AllowedValues: ["yes", "no"], Description: Whether it is kept. }
  Note: { Type: String, Default: "", Description: A note. }
Outputs:
  Address: { Description: Where it is., Value: made up }
"""
SETTING = re.compile(r"([A-Z][a-z]\w*)=\S*")
LISTED = re.compile(r"\b([Pp]arameter|[Oo]utput)s? ((?:`\w+`(?:, (?:and )?| and )?)+)")
"""A mention of parameters or outputs by their kind, such as "parameters `Views` and `GreenSince`"."""


def test_the_page_is_up_to_date() -> None:
    assert parameters.DOCUMENT.read_text("utf-8") == parameters.written(), "run: make schemas"


def test_the_page_has_every_parameter_and_every_output() -> None:
    named = set(re.findall(r"^\| `(\w+)` \|", parameters.DOCUMENT.read_text("utf-8"), re.MULTILINE))
    assert named == template()["Parameters"].keys() | template()["Outputs"].keys()


def test_a_parameter_is_described_with_its_default_and_its_values() -> None:
    rows = [line for line in parameters.page(yaml.safe_load(MADE_UP)).splitlines() if line.startswith("| `")]
    assert rows == [
        r"| `Colour` | empty | red or blue | The colour of the page: red\|blue, or none. |",
        "| `Size` | `1000` | 1 to 2,000 | Its size. |",
        "| `Depth` | `0` | at least 0 | Its depth. |",
        "| `Kept` | `yes` | `yes`, `no` | Whether it is kept. |",
        "| `Note` | empty | any text | A note. |",
        "| `Address` | Where it is. |",
    ]


def test_check_says_that_the_page_differs_from_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parameters, "DOCUMENT", tmp_path / "parameters.md")
    run = CliRunner().invoke
    assert run(parameters.main, ["--check"]).exit_code == 1
    assert run(parameters.main).exit_code == 0
    assert run(parameters.main, ["--check"]).exit_code == 0
    parameters.DOCUMENT.write_text("old")
    stale = run(parameters.main, ["--check"])
    assert (stale.exit_code, "run `make schemas`" in stale.output) == (1, True)


@every_document
def test_every_setting_in_a_document_is_one_that_the_template_allows(path: Path) -> None:
    for span in code(path):
        found = SETTING.fullmatch(span)
        if found and path.parent.name != "decisions":
            given = template()["Parameters"].get(found[1])
            assert given is not None, span
            allowed = [str(value) for value in given.get("AllowedValues", ())]
            assert not allowed or span.partition("=")[2] in {"", "…", *allowed}, span


@every_document
def test_every_parameter_and_output_that_a_document_calls_so_exists(path: Path) -> None:
    existing = {"parameter": template()["Parameters"], "output": template()["Outputs"]}
    # What was changed or removed need not exist.
    text = path.read_text().partition("\n### Changed\n")[0]
    for kind, names in LISTED.findall(" ".join(text.split())):
        named = [name for name in re.findall(r"`(\w+)`", names) if re.match("[A-Z][a-z]", name)]
        assert set(named) <= existing[kind.lower()].keys()
