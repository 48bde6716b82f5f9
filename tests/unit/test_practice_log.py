"""`streakline practice-log`: what the event log has becomes a log that the evaluation reads."""

import csv
from pathlib import Path

from benchmarks.evaluation.log import read_log
from cli.practice_log import PRACTICE_COLUMNS, rows_of
from domain.catalog import Catalog, Certification, ContentMetadata, assign
from functions.log_query import Value

CATALOG = Catalog(
    {
        "SAA": assign(Certification("SAA"), [ContentMetadata("saa-1", "Storage", "advanced")], 0),
        "DVA": assign(Certification("DVA"), [ContentMetadata("dva-1", "Storage")], 1),
    }
)


def answer(**fields: Value) -> dict[str, Value]:
    return {
        "user_id": "ann",
        "occurred_at": "2026-03-01T09:00:00.000000Z",
        "content_id": "saa-1",
        "certification_type": None,
        "score": 50.0,
        "time_spent": 30,
        **fields,
    }


def test_the_evaluation_reads_the_answers_of_one_certification(tmp_path: Path) -> None:
    answers = [
        answer(),
        answer(occurred_at="2026-03-01T09:01:00.000000Z", score=49.99, certification_type="SAA"),
        answer(content_id="dva-1"),
        answer(content_id="nobody-knows"),
        answer(certification_type="XYZ"),
    ]
    path = tmp_path / "practice.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, PRACTICE_COLUMNS)
        writer.writeheader()
        writer.writerows(rows_of(answers, "SAA", CATALOG))
    [(learner, rows)] = read_log(path).items()
    assert learner == "ann"
    assert [(row.item, row.topic, row.difficulty, row.right, row.seconds) for row in rows] == [
        ("saa-1", "Storage", "advanced", True, 30),
        ("saa-1", "Storage", "advanced", False, 30),
    ]
