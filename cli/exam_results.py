"""`streakline exam-results`: print the results of real exams, for the evaluation of readiness."""

import csv
import sys
from collections.abc import Iterator
from typing import Any

import click

from cli.output import doing, print_json
from cli.stack import Stack, on_stack
from domain.achievement_shapes import iso_time
from domain.catalog import Certification
from domain.exam import pass_mark_of
from domain.learner import Learner
from functions.errors import Unreadable
from functions.store import Store

COLUMNS = ("learner", "time", "item", "topic", "outcome", "score", "pass_mark")
"""Columns of the logs that `benchmarks.readiness` reads."""


@click.command("exam-results")
@click.argument("certification")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of CSV.")
@on_stack
def exam_results(stack: Stack, certification: str, as_json: bool) -> None:
    """Print the results of all learners' real exams of CERTIFICATION as CSV.

    They are rows of a log that `python -m benchmarks.readiness LOG --exams FILE` compares with what was told
    before each exam. The pass mark is today's. They name learners, so they are personal data.

    Example: streakline exam-results SAA
    """
    store = stack.store
    catalog = store.full_catalog()
    known = catalog.certifications.get(certification)
    if known is None:
        raise click.ClickException(f"the catalog has no certification {certification}")
    unreadable: list[str] = []
    with doing("Reading learners"):
        rows = sorted(_rows(store, known, unreadable), key=lambda row: (row["learner"], row["time"]))
    if as_json:
        print_json(rows)
    else:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    for reason in unreadable:
        click.echo(f"skipped: {reason}", err=True)
    if unreadable:
        raise SystemExit(1)


def _rows(store: Store, certification: Certification, unreadable: list[str]) -> Iterator[dict[str, Any]]:
    """Yield a row for each result. Add to `unreadable` why learners are left out."""
    after: Any = {}
    while after is not None:
        page, after = store.scan_states(0, 1, after)
        for learner in page:
            if isinstance(learner, Unreadable):
                unreadable.append(str(learner))
            else:
                yield from _of_learner(learner, certification)


def _of_learner(learner: Learner, certification: Certification) -> Iterator[dict[str, Any]]:
    for exam in learner.exams.get(certification.code, ()):
        yield {
            "learner": learner.user_id,
            "time": iso_time(exam.at),
            "item": "",
            "topic": "",
            "outcome": "PASSED" if exam.passed else "FAILED",
            "score": None if exam.score < 0 else exam.score / 100,
            "pass_mark": pass_mark_of(certification),
        }
