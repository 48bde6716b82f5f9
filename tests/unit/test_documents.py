"""The documents agree with the repository: links, commands, files and tests that they name exist."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest

from cli.__main__ import main
from functions.api import STATUS_CODES, UNKNOWN_CERTIFICATION

ROOT = Path(__file__).parents[2]
OPERATIONS = ROOT / "docs" / "operations.md"
DOCUMENTS = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "examples").glob("*.md"),
        *(ROOT / "smoke").glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
    ]
)
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"(cli|benchmarks|docs|domain|events|examples|functions|requirements|tests)/[\w./-]+")

every_document = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(path: Path) -> Iterator[str]:
    """Yield the code of a document: each command of its blocks, and what stands between backticks."""
    text = path.read_text()
    for block in FENCE.findall(text):
        for line in block.splitlines():
            yield from (command.strip() for command in line.split("&&"))
    for paragraph in FENCE.sub("", text).split("\n\n"):
        yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", paragraph))


def named(path: Path, program: str) -> set[str]:
    """Return the first arguments with which a document calls a program."""
    calls = (re.match(rf"{program} ([a-z][a-z0-9-]*)", command) for command in code(path))
    return {call[1] for call in calls if call}


def test_the_readme_fits_on_four_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 170


@every_document
def test_every_relative_link_leads_to_a_file_and_a_heading(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", path.read_text()))
    for link in links:
        if not link.startswith("https://"):
            file, _, anchor = link.partition("#")
            target = path.parent / file if file else path
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@every_document
def test_every_command_in_a_document_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named(path, "make") <= targets
    assert named(path, "streakline") <= main.commands.keys()


@every_document
def test_every_file_that_a_document_names_exists(path: Path) -> None:
    for span in code(path):
        assert not FILE.fullmatch(span) or (ROOT / span).exists(), span


def test_the_design_has_every_function_of_the_template() -> None:
    design = (ROOT / "docs" / "design.md").read_text()
    parts = design.partition("\n| part | code |")[2].partition("\n\n")[0]
    handlers = re.findall(
        r"^ +Handler: functions\.(\w+)\.handler$", (ROOT / "template.yaml").read_text(), re.M
    )
    assert handlers
    for module in handlers:
        assert f"`functions/{module}.py`" in parts, module


def test_the_contributors_guide_names_tests_that_exist() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    named_tests = [span for span in code(ROOT / "CONTRIBUTING.md") if re.fullmatch(r"test_\w+", span)]
    assert named_tests
    for name in named_tests:
        assert f"def {name}(" in tests, name


def test_the_operations_document_describes_every_command() -> None:
    assert main.commands.keys() <= named(OPERATIONS, "streakline")


def test_every_section_of_the_design_that_code_refers_to_exists() -> None:
    sections = set(re.findall(r"^## (\w+)$", (ROOT / "docs" / "design.md").read_text(), re.MULTILINE))
    for package in ("benchmarks", "cli", "domain", "functions", "tests"):
        for path in (ROOT / package).rglob("*.py"):
            cited = set(re.findall(r"docs/design\.md, ([A-Z]\w+)", path.read_text()))
            assert cited <= sections, path


UNITS: dict[str, Callable[[int], object]] = {
    "KiB": lambda number: number * 1024,
    "MiB": lambda number: number * 1024 * 1024,
    "minutes": lambda number: timedelta(minutes=number),
    "days": lambda number: timedelta(days=number),
    "percent": lambda number: number / 100,
}
LIMITS = re.findall(
    r"^\| [^|]+ \| ([0-9,]+) ?(\w*)[^|]* \| [^|]+ \| `([\w.]+)([.#])(\w+)` \|$",
    (ROOT / "docs" / "limits.md").read_text(),
    re.MULTILINE,
)
INSIDE = {
    "MAX_ORDINAL",  # what is stored and has more is damaged
    "MAX_HUNDREDTHS",  # that of `score`
    # Sizes of calls to AWS, and of what the functions write and log.
    "MAX_BATCH",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_GET",
    "MAX_CATALOG_READS",
    "MAX_ENTRIES",
    "MAX_STALE_SECONDS",  # how long readers of views do without the control table
    "MAX_LINE_BYTES",
    "MAX_REASON_LENGTH",
    "MAX_TRANSACTION_BYTES",
    "MAX_TRANSACTION_ITEMS",
    "MAX_WRITES",
    # How a rebuild divides its work, and what it and a comparison list.
    "MAX_AWARDS",
    "MAX_BITS",
    "MAX_CHOICES",
    "MAX_DELETED",
    "MAX_LISTED",
    "MAX_SEGMENTS",
    "MAX_PAUSE",
    # Tries and troubles before something is given up, and the delay from which on a metric counts it.
    "MAX_ATTEMPTS",
    "MAX_DELAY",
    "MAX_DOWNLOADS",
    "MAX_PUTS",
    "MAX_RACES",
    "MAX_READ_TRIES",
    "MAX_TRIES",
    "MAX_TROUBLES",
}
"""Constants that nobody outside meets."""


def test_every_row_of_the_limits_names_where_it_comes_from() -> None:
    rows = re.findall(r"^\| (?!what \|)", (ROOT / "docs" / "limits.md").read_text(), re.MULTILINE)
    assert len(LIMITS) == len(rows) > 20


@pytest.mark.parametrize(("number", "unit", "source", "kind", "name"), LIMITS)
def test_a_documented_limit_is_the_codes(number: str, unit: str, source: str, kind: str, name: str) -> None:
    whole = int(number.replace(",", ""))
    if kind == ".":
        wanted = UNITS[unit](whole) if unit in UNITS else whole
        assert getattr(import_module(source), name) == wanted
    else:
        assert limit_in(source, name) == whole


def limit_in(schema: str, name: str) -> int:
    """Return the greatest length or value of a field or query parameter in a file with a schema."""
    [path] = [*(ROOT / "docs").glob(schema), *(ROOT / "events" / "schemas").glob(schema)]
    document = json.loads(path.read_text())
    if "paths" in document:
        routes = [route for methods in document["paths"].values() for route in methods.values()]
        parameters = [parameter for route in routes for parameter in route.get("parameters", [])]
        fields = [parameter["schema"] for parameter in parameters if parameter["name"] == name]
    else:
        fields = [(document["properties"] | document.get("$defs", {}))[name]]
    limits = set()
    for field in fields:
        for form in field.get("anyOf", [field]):
            limits |= {form[key] for key in ("maximum", "maxLength") if key in form}
            if "pattern" in form:
                limits.add(max(n for n in range(1, 1000) if re.fullmatch(form["pattern"], "a" * n)))
    [limit] = limits
    return int(limit)


def test_every_limit_of_the_code_is_documented() -> None:
    documented = (ROOT / "docs" / "limits.md").read_text()
    for package in ("domain", "functions"):
        for path in (ROOT / package).glob("*.py"):
            constants = set(re.findall(r"^(MAX_\w+|MIN_\w+)\b", path.read_text(), re.MULTILINE))
            for name in constants - INSIDE:
                assert re.search(rf"\b{name}`", documented), (
                    f"{package}.{path.stem}.{name}: add it to docs/limits.md, or to INSIDE if nobody meets it"
                )


def test_every_error_of_the_api_is_documented_with_its_cause_and_cure() -> None:
    text = (ROOT / "docs" / "api.md").read_text()
    rows = re.findall(r"^\| ([45]\d\d) \| `(\w+)` \| [^|]+ \| [^|]+ \|$", text, re.MULTILINE)
    wanted = {(str(status), code) for status, code in STATUS_CODES.items()} | {("404", UNKNOWN_CERTIFICATION)}
    assert set(rows) == wanted
