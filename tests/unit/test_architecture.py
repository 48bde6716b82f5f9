"""The architecture: dependencies point one way, the domain is pure, and few modules know AWS."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from domain.interaction import KINDS

ROOT = Path(__file__).parents[2]
DOMAIN = sorted((ROOT / "domain").glob("*.py"))
FUNCTIONS = sorted((ROOT / "functions").glob("*.py"))
PACKAGES = {"cli", "domain", "functions"}
DOMAIN_IMPORTS = {"domain", "pydantic", "pydantic_core"}
IMPURE = {"boto3", "io", "os", "pathlib", "random", "requests", "secrets", "socket", "subprocess", "time"}
DYNAMODB_CALLS = {
    "batch_get_item",
    "batch_write_item",
    "delete_item",
    "get_item",
    "put_item",
    "query",
    "scan",
    "transact_get_items",
    "transact_write_items",
    "update_item",
}


def name_of(path: Path) -> str:
    """Return a module's name, such as `domain.fold`."""
    return f"{path.parent.name}.{path.stem}"


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def imports(path: Path) -> Iterator[str]:
    """Yield everything that a module imports, anywhere in it, such as `domain.fold.fold` or `json`."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(path: Path) -> set[str]:
    """Return the top-level name of everything that a module imports."""
    return {name.partition(".")[0] for name in imports(path)}


def own_modules(path: Path) -> set[str]:
    """Return the project's own modules that a module imports, such as `domain.fold`."""
    return {".".join(name.split(".")[:2]) for name in imports(path) if name.partition(".")[0] in PACKAGES}


each_of_domain = pytest.mark.parametrize("path", DOMAIN, ids=name_of)
each_of_functions = pytest.mark.parametrize("path", FUNCTIONS, ids=name_of)
each_module = pytest.mark.parametrize("path", [*DOMAIN, *FUNCTIONS], ids=name_of)


@each_of_domain
def test_the_domain_imports_only_the_standard_library_and_pydantic(path: Path) -> None:
    assert packages(path) <= set(sys.stdlib_module_names) | DOMAIN_IMPORTS


@each_of_domain
def test_the_domain_uses_neither_the_machine_nor_the_clock(path: Path) -> None:
    assert not packages(path) & IMPURE
    calls = {
        node.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
        if node.value.id in {"date", "datetime"}
    }
    assert not calls & {"now", "today", "utcnow"}


DYNAMODB_MODULES = {"store.py", "rarity.py", "refusals.py", "generations.py", "refold.py"} | {
    "erasure.py",
    "erasure_list.py",
    "generation_copy.py",
    "rebuild_runs.py",
}


@each_module
def test_dependencies_point_from_the_functions_to_the_domain(path: Path) -> None:
    allowed = {"domain"} if path in DOMAIN else {"domain", "functions"}
    assert packages(path) & PACKAGES <= allowed


def test_no_module_imports_itself_through_others() -> None:
    graph = {name_of(path): own_modules(path) for path in [*DOMAIN, *FUNCTIONS]}
    assert graph["domain.fold"] >= {"domain.achievements", "domain.tally"}, "imports are found"
    TopologicalSorter(graph).prepare()  # Raises CycleError.


@each_of_functions
def test_only_few_modules_know_dynamodb(path: Path) -> None:
    nodes = list(ast.walk(tree_of(path)))
    attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    assert not attributes & DYNAMODB_CALLS or path.name in DYNAMODB_MODULES
    keys = {node.value for node in nodes if isinstance(node, ast.Constant)} & {"pk", "sk"}
    assert not keys or path.name in {"items.py", "catalog_items.py", *DYNAMODB_MODULES}


@each_of_functions
def test_only_one_module_makes_aws_clients(path: Path) -> None:
    assert "boto3" not in packages(path)
    assert "botocore.session" not in set(imports(path)) or path.name == "aws.py"


@each_of_functions
def test_only_few_modules_handle_aws_errors(path: Path) -> None:
    names = {name.rpartition(".")[2] for name in imports(path)}
    handlers = {
        "errors.py",
        "store.py",
        "rarity.py",
        "refold.py",
        "erasure.py",
        "erasure_list.py",
        "api.py",
    } | {
        "generation_copy.py",
        "rebuild_runs.py",
    }
    assert not names & {"ClientError", "BotoCoreError"} or path.name in handlers


@each_module
def test_kinds_are_told_apart_by_match_so_that_a_new_kind_fails_mypy(path: Path) -> None:
    compared = {
        constant.value
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Compare)
        for constant in ast.walk(node)
        if isinstance(constant, ast.Constant)
    }
    assert not compared & set(KINDS)


@each_module
def test_a_module_states_its_purpose_and_stays_short(path: Path) -> None:
    assert ast.get_docstring(tree_of(path))
    assert len(path.read_text("utf-8").splitlines()) <= 450
