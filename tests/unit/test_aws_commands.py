"""The `aws` commands in the documents exist with their options: botocore has the models of the CLI."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from tests.unit.test_documents import DOCUMENTS, FENCE, ROOT

OF_THE_CLI = {"--output", "--query", "--region", "--profile"}
"""Options that every command has."""
NOT_MODELLED = {("s3", "ls"), ("s3", "cp"), ("configure", "list")}


def commands(path: Path) -> Iterator[list[str]]:
    """Yield the words of each `aws` command in a document: those of its blocks, and those in the text."""
    text = path.read_text()
    blocks = [block.replace("\\\n", " ") for block in FENCE.findall(text)]
    spans = [span.replace("\n", " ") for span in re.findall(r"`(aws [^`]+)`", FENCE.sub("", text))]
    for line in [*(line for block in blocks for line in block.splitlines()), *spans]:
        for found in re.finditer(r"(?:^|[\s$(\"])(aws [a-z0-9-]+ .*)", line):
            yield words(found[1])


def words(command: str) -> list[str]:
    """Return the words of a command, of which a quote may be cut off or go on in the next line."""
    for ending in ("", '"', "'"):
        try:
            return shlex.split(command + ending)
        except ValueError:
            continue
    return command.split()


@cache
def model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def option(member: str) -> str:
    return f"--{xform_name(member, '-')}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_aws_command_of_a_document_exists_with_its_options(path: Path) -> None:
    for _, service, operation, *rest in commands(path):
        if operation == "wait" or (service, operation) in NOT_MODELLED:
            continue
        of = {xform_name(name, "-"): name for name in model(service).operation_names}
        assert operation in of, f"aws {service} {operation}"
        shape = model(service).operation_model(of[operation]).input_shape
        members = shape.members if shape else {}
        known = {option(name) for name in members}
        known |= {f"--no-{xform_name(name, '-')}" for name in members if members[name].type_name == "boolean"}
        for given in rest:
            if re.fullmatch(r"--[a-z][a-z0-9-]+", given):
                assert given in known | OF_THE_CLI, f"aws {service} {operation} {given}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_variable_of_an_aws_command_is_set_in_the_same_document(path: Path) -> None:
    used = {
        name for command in commands(path) for word in command for name in re.findall(r"\$([A-Z_]+)", word)
    }
    assert used <= set(re.findall(r"^ *([A-Z_]+)=", path.read_text(), re.MULTILINE))


def test_the_documents_have_such_commands() -> None:
    found = [command for path in DOCUMENTS for command in commands(path)]
    assert len(found) > 20
    assert any(command[1:3] == ["iam", "create-policy"] for command in found)
