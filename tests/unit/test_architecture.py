"""The architecture: dependencies point one way, the domain is pure, and few modules know AWS."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "domain").glob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").glob("*.py"))
ROOMS = {"cli", "domain", "functions"}
OF_DOMAIN = {"domain", "pydantic", "pydantic_core"}
IMPURE = {"boto3", "io", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess", "time"}


def imported(path: Path) -> Iterator[str]:
    """Yield the top-level name of everything that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_imports_only_the_standard_library_and_pydantic(path: Path) -> None:
    foreign = set(imported(path)) - set(sys.stdlib_module_names) - OF_DOMAIN
    assert not foreign


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_touches_neither_machine_nor_clock(path: Path) -> None:
    assert not set(imported(path)) & IMPURE
    calls = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in {"date", "datetime"}
    }
    assert not calls & {"now", "today", "utcnow"}


def own_modules(path: Path) -> set[str]:
    """The project's own modules that a module imports at the top level, such as `domain.fold`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            parent = node.module
            found |= {f"{parent}.{alias.name}" if parent in ROOMS else parent for alias in node.names}
    return {name for name in found if name.partition(".")[0] in ROOMS}


@pytest.mark.parametrize("path", [*DOMAIN, *FUNCTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_dependencies_point_from_the_functions_to_the_domain(path: Path) -> None:
    allowed = {"domain"} if path.parent.name == "domain" else {"domain", "functions"}
    assert {name.partition(".")[0] for name in imported(path)} & ROOMS <= allowed


def test_no_module_imports_itself_through_others() -> None:
    graph = {f"{path.parent.name}.{path.stem}": own_modules(path) for path in [*DOMAIN, *FUNCTIONS]}
    TopologicalSorter(graph).prepare()  # Raises CycleError.


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.name)
def test_only_the_store_and_the_items_know_dynamodb(path: Path) -> None:
    tree = ast.parse(path.read_text())
    attributes = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    of_dynamodb = {"put_item", "get_item", "update_item", "query", "scan", "batch_get_item"}
    if path.name != "store.py":
        assert not attributes & (of_dynamodb | {"transact_write_items", "batch_write_item", "delete_item"})
    keys = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)} & {"pk", "sk"}
    assert not keys or path.name in {"items.py", "store.py"}
    assert "boto3" not in set(imported(path)) or path.name == "aws.py"


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.name)
def test_only_two_modules_decide_what_an_aws_error_means(path: Path) -> None:
    names = {
        alias.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert not names & {"ClientError", "BotoCoreError"} or path.name in {"errors.py", "store.py", "api.py"}


@pytest.mark.parametrize("path", [*DOMAIN, *FUNCTIONS], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_module_begins_with_its_purpose_and_stays_short(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))
    assert len(path.read_text().splitlines()) <= 450
