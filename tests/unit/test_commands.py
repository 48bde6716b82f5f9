"""What commands say before they do anything: help, examples, questions, and a local stack that has gone."""

import json
import re
import shlex
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import local, manifest
from cli import stack as cli_stack
from cli.__main__ import main
from cli.manifest import add_to_manifest, end_of_demo, manifest_of, read_manifest
from cli.stack import Stack, ask_first, local_session

EXAMPLE = re.compile(r"^ *Example: (streakline .*)$", re.MULTILINE)
LOCAL_STACK = Stack(
    {"ViewsTableName": "views"}, "http://127.0.0.1:1/api", "http://127.0.0.1:1", local_session()
)
ON_AWS = Stack({}, "https://api.example", None, None)


def commands(group: click.Group, *names: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield all commands that are no groups, with their names."""
    for name, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield (*names, name), command


COMMANDS = dict(commands(main))


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_each_command_has_an_example_in_its_help_that_can_be_pasted(
    names: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = click.Context(COMMANDS[names], info_name=names[-1], terminal_width=80)
    found = EXAMPLE.search(COMMANDS[names].get_help(context))
    assert found, f"`streakline {' '.join(names)} --help` has no paragraph `Example: streakline …` of its own"
    arguments = shlex.split(found[1])[1 + len(names) :]
    assert tuple(shlex.split(found[1])[1 : 1 + len(names)]) == names
    monkeypatch.chdir(tmp_path)
    for argument in arguments:
        if Path(argument).suffix in {".csv", ".jsonl", ".toml"}:
            Path(argument).touch()
    # Parses the arguments, and raises if they are wrong. Nothing is run.
    COMMANDS[names].make_context(names[-1], arguments)


def test_a_question_comes_first_on_aws_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def confirm(text: str, **options: bool) -> None:
        asked.append(text)
        raise click.Abort

    monkeypatch.setattr(click, "confirm", confirm)
    ask_first(LOCAL_STACK, False, "This emits 17 interactions")
    ask_first(ON_AWS, True, "This emits 17 interactions")
    assert asked == []
    with pytest.raises(click.Abort):
        ask_first(ON_AWS, False, "This emits 17 interactions")
    assert asked == ["This emits 17 interactions on the stack at https://api.example. Go on?"]


ASKING = {
    ("backfill-achievements",),
    ("catalog", "import"),
    ("demo",),
    ("difficulty",),
    ("emit",),
    ("migrate",),
    ("quarantine", "drop"),
    ("rebuild",),
    ("refold",),
    ("remove",),
    ("retract",),
    ("token",),
}
"""The commands that create or delete data, reset passwords or grant rights."""


def test_the_commands_that_create_data_or_grant_rights_have_an_option_not_to_be_asked() -> None:
    having = {names for names, command in COMMANDS.items() if "yes" in {p.name for p in command.params}}
    assert having == ASKING


@pytest.fixture
def gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the directory of a local stack whose MiniStack has ended without `down`."""
    for module in (cli_stack, local, manifest):
        monkeypatch.setattr(module, "LOCAL", tmp_path)
    for module in (cli_stack, local):
        monkeypatch.setattr(module, "STACK_FILE", tmp_path / "stack.json")
    noted = {
        "endpoint_url": LOCAL_STACK.endpoint_url,
        "api_url": LOCAL_STACK.api_url,
        "outputs": LOCAL_STACK.outputs,
    }
    (tmp_path / "stack.json").write_text(json.dumps(noted))
    for name in (
        "_MINISTACK",
        "_BRIDGE",
        "_DELIVERY",
        "POSITIONS",
        "_DEPLOYED",
        "ENVIRONMENT_FILE",
        "_TEMPORARY",
    ):
        monkeypatch.setattr(local, name, tmp_path / name)
    return tmp_path


CALLS = [
    "wait",
    "show ann",
    "redrive",
    "token",
    "env",
    "demo",
    "emit log.jsonl --format interactions",
    "backfill-achievements",
    "catalog import contents.csv",
    "catalog sync",
    "catalog list",
]


@pytest.mark.parametrize("call", CALLS)
def test_a_command_says_that_the_local_stack_has_gone_and_what_to_do(
    gone: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(gone)
    Path("log.jsonl").touch()
    Path("contents.csv").write_text("content_id,certification_type\npython-1,PY\n")
    result = CliRunner().invoke(main, call.split(), catch_exceptions=False)
    assert result.exit_code == 1
    assert "the local stack has gone: nothing answers at http://127.0.0.1:1" in result.output
    assert "up`" in result.output


def test_a_command_says_so_if_something_else_answers_at_the_address_of_the_local_stack(gone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_what_is_not_http() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=answer_what_is_not_http)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        noted = json.loads((gone / "stack.json").read_text())
        (gone / "stack.json").write_text(json.dumps(noted | {"endpoint_url": address}))
        result = CliRunner().invoke(main, ["show", "ann"], catch_exceptions=False)
        thread.join()
    assert result.exit_code == 1
    assert f"the local stack has gone: nothing answers at {address}" in result.output


def test_down_forgets_what_was_emitted_to_the_local_stack_and_nothing_else(gone: Path) -> None:
    on_aws = Stack({"ViewsTableName": "views-on-aws"}, "https://api.example", None, None)
    for stack in (LOCAL_STACK, on_aws):
        add_to_manifest([manifest.Emitted("ann", 1, 2, "payload")], manifest_of(stack))
        end_of_demo(stack.outputs["ViewsTableName"]).write_text("2026-03-01T00:00:00+00:00")
    assert "There is no local stack." in CliRunner().invoke(main, ["down"], catch_exceptions=False).output
    assert read_manifest(manifest_of(LOCAL_STACK)) == []
    assert len(read_manifest(manifest_of(on_aws))) == 1
    assert not end_of_demo("views").exists()
    assert end_of_demo("views-on-aws").exists()


def test_an_unknown_reason_is_refused_with_those_that_there_are() -> None:
    result = CliRunner().invoke(main, ["redrive", "--reason", "unknwon_content"])
    assert result.exit_code == 2
    assert "'unknown_content'" in result.output
