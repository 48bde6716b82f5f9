"""Output that commands share: JSON for programs and progress bars for people."""

import json
import shutil
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def command() -> str:
    """Return how to call this command: by its name if that is on the PATH, else as it was called."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return "python -m cli"
    found = shutil.which(called.name)
    return called.name if found and Path(found).resolve() == called.resolve() else str(called)


def print_json(value: Any) -> None:
    """Print a value as JSON on standard output."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def doing(text: str) -> AbstractContextManager[Any]:
    """Show on standard error what is going on: as a spinner on a terminal, else as a line."""
    console = Console(stderr=True)
    if console.is_terminal:
        return console.status(text)
    click.echo(text, err=True)
    return nullcontext()


def progress_bar() -> Progress:
    """Return a progress bar that draws on standard error."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
