"""The lock files pin everything, and agree with each other and with pyproject.toml."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKS = [*sorted((ROOT / "requirements").glob("*.txt")), ROOT / "functions" / "requirements.txt"]
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)( ; [^\\]*)? \\$", re.MULTILINE)


def pins(name: str) -> dict[str, set[str]]:
    """Return what a lock file pins: the hashes of each `name==version`."""
    pinned: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text().splitlines():
        if found := PIN.match(line):
            hashes = pinned.setdefault(f"{found[1]}=={found[2]}", set())
        elif line.startswith("    --hash="):
            hashes.add(line.removesuffix(" \\").strip())
    return pinned


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_file_has_only_pins_with_hashes(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        assert PIN.match(line) or re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
    assert all(pins(str(path)).values())


@pytest.mark.parametrize(
    ("name", "extras"), [("run", []), ("dev", ["dev"]), ("mutation", ["dev", "mutation"])]
)
def test_a_lock_file_pins_what_pyproject_requires(name: str, extras: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    missing = {re.sub(r"\[.*\]", "", requirement) for requirement in required} - pins(
        f"requirements/{name}.txt"
    ).keys()
    assert not missing, "run: make lock"


@pytest.mark.parametrize(
    ("smaller", "larger"),
    [
        ("functions/requirements.txt", "requirements/run.txt"),
        ("requirements/run.txt", "requirements/dev.txt"),
        ("requirements/dev.txt", "requirements/mutation.txt"),
        ("requirements/tools.txt", "requirements/tools-dev.txt"),
    ],
)
def test_all_lock_files_pin_the_tested_versions(smaller: str, larger: str) -> None:
    tested = pins(larger)
    for pin, hashes in pins(smaller).items():
        assert tested.get(pin) == hashes, f"{pin}: run make lock"
