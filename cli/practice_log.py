"""`streakline practice-log`: print what learners answered, for the evaluation of readiness."""

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from cli.athena import log_queries, run
from cli.exam_results import COLUMNS
from cli.output import doing
from cli.stack import Stack, on_stack
from domain.catalog import Catalog, UnknownCertification, UnknownContent
from functions.log_query import Value
from functions.log_views import with_views

PRACTICE_COLUMNS = (*COLUMNS[:5], "duration_seconds", "difficulty_level")
RIGHT = 50
"""Score in per cent from which an answer counts as right: an outcome of the evaluation is right or wrong."""

ANSWERS = """SELECT user_id, occurred_at, content_id, certification_type, score, time_spent
FROM events WHERE kind = 'interaction' AND score IS NOT NULL
ORDER BY user_id, occurred_at, event_id"""


@click.command("practice-log")
@click.argument("certification")
@on_stack
def practice_log(stack: Stack, certification: str) -> None:
    """Print the scored interactions of all learners with content of CERTIFICATION as CSV.

    They come from the event log, and are a log that `python -m benchmarks.readiness LOG` reads. A score of at
    least 50 % is CORRECT. They name learners, so they are personal data.

    Example: streakline practice-log SAA
    """
    catalog = stack.store.full_catalog()
    if certification not in catalog.certifications:
        raise click.ClickException(f"the catalog has no certification {certification}")
    with doing("asking the event log"):
        rows = list(
            rows_of(run(stack, with_views(ANSWERS, log_queries(stack).engine)), certification, catalog)
        )
    writer = csv.DictWriter(sys.stdout, PRACTICE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def rows_of(
    answers: Iterable[Mapping[str, Value]], certification: str, catalog: Catalog
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a certification.

    `answers`: those of all certifications, as `ANSWERS` selects them.
    """
    for answer in answers:
        named = answer["certification_type"]
        try:
            place = catalog.place(str(answer["content_id"]), None if named is None else str(named))
        except (UnknownCertification, UnknownContent):
            continue
        if place.certification == certification:
            yield {
                "learner": answer["user_id"],
                "time": answer["occurred_at"],
                "item": place.content.content_id,
                "topic": place.content.category,
                "outcome": "CORRECT" if float(answer["score"] or 0) >= RIGHT else "INCORRECT",
                "duration_seconds": answer["time_spent"],
                "difficulty_level": place.content.difficulty,
            }
