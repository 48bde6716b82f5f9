"""What commands print about themselves."""

import sys
from pathlib import Path

import pytest

from cli.output import command


def test_a_command_on_the_path_is_called_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "streakline"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "up"])
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command() == "streakline"
    monkeypatch.setenv("PATH", "/nowhere")
    assert command() == str(script)


def test_a_command_that_was_called_as_a_module_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/cli/__main__.py"])
    assert command() == "python -m cli"
