"""Test the command that writes and checks events/schemas."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import schemas


def test_check_names_the_schemas_that_differ_from_their_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schemas, "SCHEMAS", tmp_path / "schemas")
    monkeypatch.setattr(schemas, "OPENAPI", tmp_path / "openapi.json")
    run = CliRunner().invoke

    absent = run(schemas.main, ["--check"])
    assert absent.exit_code == 1
    assert all(name in absent.output for name in schemas.MODELS)
    assert "openapi.json" in absent.output
    assert not (tmp_path / "schemas").exists()

    assert run(schemas.main).exit_code == 0
    assert run(schemas.main, ["--check"]).exit_code == 0

    (tmp_path / "schemas" / "interaction.recorded.v1.json").write_text("{}")
    stale = run(schemas.main, ["--check"])
    assert stale.exit_code == 1
    assert "differs from its model: interaction.recorded.v1.json" in stale.output


def test_the_committed_description_of_the_api_is_up_to_date() -> None:
    assert schemas.OPENAPI.read_text("utf-8") == schemas.openapi(), "run: make schemas"
