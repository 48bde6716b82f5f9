"""The packages that `sam build` makes: what the functions need, compiled for the Python that runs them."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash
from pathlib import Path

import pytest

from cli.stack import ROOT
from tests.e2e.conftest import Deployed

UNCHECKED_HASH = (0b01).to_bytes(4, "little")
"""The flags of byte code that Python takes without looking at its source."""
MACHINES = ("aarch64", "x86_64")


@pytest.fixture(scope="module")
def packages(stack: Deployed) -> dict[str, Path]:
    """Return the directory of each function's package, which the deployment of the local stack has built."""
    built = ROOT / ".aws-sam" / "build"
    return {path.name: path for path in built.iterdir() if path.is_dir()}


def modules(package: Path) -> Iterator[Path]:
    return package.rglob("*.py")


def test_every_function_of_the_template_has_a_package(packages: dict[str, Path]) -> None:
    template = (ROOT / "template.yaml").read_text()
    functions = re.findall(r"^  (\w+):\n    Type: AWS::Serverless::Function\n(.*)\n", template, re.MULTILINE)
    assert packages.keys() == {name for name, _ in functions}


def test_a_package_has_only_the_code_of_the_functions_and_its_dependencies(packages: dict[str, Path]) -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "functions" / "requirements.txt").read_text(), re.M))
    for function, package in packages.items():
        installed = {
            path.name.partition("-")[0].replace("_", "-"): path for path in package.glob("*.dist-info")
        }
        assert installed.keys() == locked
        of_dependencies = {
            line.partition("/")[0].partition(",")[0]
            for path in installed.values()
            for line in (path / "RECORD").read_text().splitlines()
        }
        own = {"__pycache__", "domain", "functions", *({"dashboard"} if function == "PageFunction" else ())}
        assert {path.name for path in package.iterdir()} - of_dependencies == own
        for name in ("domain", "functions"):
            kept = {path.name for path in (ROOT / name).glob("*.py")}
            assert {path.name for path in (package / name).iterdir()} == {*kept, "__pycache__"}


def test_every_module_has_byte_code_that_is_never_checked_against_its_source(
    packages: dict[str, Path],
) -> None:
    for package in packages.values():
        found = list(modules(package))
        assert len(found) > 400
        for path in found:
            code = Path(cache_from_source(str(path))).read_bytes()
            assert code[:4] == MAGIC_NUMBER
            assert code[4:8] == UNCHECKED_HASH, path
            assert code[8:16] == source_hash(path.read_bytes()), path


def test_tracebacks_name_the_place_where_lambda_unpacks_a_package(packages: dict[str, Path]) -> None:
    code = Path(cache_from_source(str(packages["ReadFunction"] / "domain" / "fold.py"))).read_bytes()
    assert b"/var/task/domain/fold.py" in code


def test_a_package_runs_on_both_processors(packages: dict[str, Path]) -> None:
    for package in packages.values():
        names = {path.name for path in (package / "pydantic_core").glob("*.so")}
        assert all(any(machine in name for name in names) for machine in MACHINES)


def content(package: Path) -> dict[str, str]:
    """Return the digests of a package's files by their path. SAM uploads a package if these differ."""
    return {
        str(path.relative_to(package)): sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*")
        if path.is_file()
    }


def test_all_functions_but_the_pages_have_the_same_package(packages: dict[str, Path]) -> None:
    page = packages["PageFunction"]
    assert all(content(one) == content(packages["ReadFunction"]) for one in packages.values() if one != page)
    assert content(packages["ReadFunction"]).items() < content(page).items()


def test_building_again_makes_the_same_bytes_so_that_nothing_is_deployed(
    packages: dict[str, Path], tmp_path: Path
) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "package.py"), str(tmp_path)]
    subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": "12345"}, check=True)
    assert content(tmp_path) == content(packages["ReadFunction"])
