"""Dependencies point one way: the domain imports no infrastructure, and reads no clock."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "domain").glob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").glob("*.py"))
OF_DOMAIN = {"domain", "pydantic", "pydantic_core"}
IMPURE = {"boto3", "io", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess", "time"}


def imported(path: Path) -> Iterator[str]:
    """The top-level names of all that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield str(node.module).partition(".")[0]


@pytest.mark.parametrize("path", DOMAIN, ids=lambda path: path.name)
def test_the_domain_imports_only_the_standard_library_pydantic_and_itself(path: Path) -> None:
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


@pytest.mark.parametrize("path", FUNCTIONS, ids=lambda path: path.name)
def test_only_the_store_and_the_client_set_up_know_dynamodb(path: Path) -> None:
    if path.name in {"store.py", "aws.py"}:
        return
    calls = {n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)}
    of_dynamodb = {"put_item", "get_item", "update_item", "query", "scan", "batch_get_item"}
    assert not calls & (of_dynamodb | {"transact_write_items", "batch_write_item", "delete_item"})
    assert "boto3" not in set(imported(path))


def test_what_goes_to_lambda_is_what_was_tested() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    lines = (ROOT / "functions" / "requirements.txt").read_text().splitlines()
    shipped = {line for line in lines if line and not line.startswith("#")}
    assert shipped
    assert shipped <= set(project)
