"""The evaluation of readiness: which answers it predicts, from what, and how it measures the result."""

import gzip
import math
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.evaluation.baselines import Elo, OwnAccuracy, ReplacedHeuristic, elo_items
from benchmarks.evaluation.log import (
    InvalidLog,
    Row,
    Taken,
    certification_of,
    groups_of,
    is_held_out,
    left_out_of,
    read_log,
    require_answers,
    times_differ,
    with_exams,
    with_rates,
)
from benchmarks.evaluation.measures import Outcome, auc, bootstrap, brier, expected_error, log_loss
from benchmarks.evaluation.predictions import (
    SHIPPED,
    Told,
    days_since_last,
    exam_case,
    next_answers,
    real_exams,
    told,
    told_by,
)
from benchmarks.evaluation.report import exams_table, passing_table, real_exams_report, repeats_table
from benchmarks.evaluation.tuning import tuning_table
from domain.catalog import NO_DIFFICULTY
from domain.readiness import Readiness

START = datetime.fromisoformat("2026-01-01")


def row(day: int, item: str, right: bool | None, topic: str = "t") -> Row:
    return Row(START + timedelta(days=day), item, topic, NO_DIFFICULTY, right, 30)


def exam_row(day: int, taken: Taken) -> Row:
    return Row(START + timedelta(days=day), "", "", NO_DIFFICULTY, None, 0, taken)


def practice(answers: int = 30) -> list[Row]:
    """Return answers to as many items, every fourth of which is wrong."""
    return [row(n, f"i{n:02}", n % 4 > 0) for n in range(answers)]


def test_a_log_is_read_in_order_of_time_with_the_results_of_exams(tmp_path: Path) -> None:
    path = tmp_path / "log.csv.gz"
    lines = [
        "learner,time,item,topic,outcome,score,pass_mark,questions",
        "a,2026-01-03T10:00:00Z,,,FAILED,,,",
        "a,2026-01-02T10:00:00Z,,,PASSED,81.5,65,40",
        "a,2026-01-01T02:00:00-08:00,i,t,INCORRECT",
        "a,2026-01-01T11:00:00+02:00,i,t,STUDY",
        "a,2026-01-01T09:00:00Z,i,t,HINT",
    ]
    with gzip.open(path, "wt", encoding="utf-8-sig") as file:
        file.write("\n".join(lines))
    [history] = read_log(path).values()
    assert [(found.right, found.exam) for found in history] == [
        (None, None),
        (False, None),
        (None, Taken(True, 81.5, 65, 40)),
        (None, Taken(False)),
    ]
    assert [content.content_id for content in certification_of({"a": history}).contents] == ["i"]


@pytest.mark.parametrize(
    "text",
    [
        "learner,time\n",
        "learner,time,item,topic,outcome\na,noon,i,t,CORRECT\n",
        "learner,time,item,topic,outcome,score\na,2026-01-02T10:00:00,,,PASSED,101\n",
        "learner,time,item,topic,outcome,pass_mark\na,2026-01-02T10:00:00,,,PASSED,high\n",
        "learner,time,item,topic,outcome,questions\na,2026-01-02T10:00:00,,,PASSED,0\n",
        "learner,time,item,topic,outcome,questions\na,2026-01-02T10:00:00,,,PASSED,1.5\n",
        "learner,time,item,topic,outcome\na,2026-01-02T10:00:00,i,t,CORRECT\na,2026-01-02T10:00:00Z,i,t,CORRECT\n",
    ],
)
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(InvalidLog):
        read_log(path)


def test_rates_are_of_the_first_answers_of_the_population() -> None:
    population = [
        [row(0, "a", False), row(1, "a", True), row(2, "b", None), row(3, "b", True)],
        [row(0, "a", True)],
    ]
    plain = certification_of({"x": [row(0, name, True) for name in "abc"]})
    a, b, c = with_rates(plain, population).contents
    assert (a.correct_rate, a.answered_by) == (0.5, 2)
    assert (b.correct_rate, b.answered_by) == (1.0, 1)
    assert (c.correct_rate, c.answered_by) == (None, None)


def test_the_exam_has_the_first_answers_to_items_that_were_in_no_earlier_row() -> None:
    history = practice(20)
    # Studied in the first two thirds, or before it is answered: not new. A second answer does not count.
    history.insert(5, row(5, "studied", None))
    last = [row(30, "i00", True), row(30, "studied", True), row(30, "late", None), row(31, "late", True)]
    history += [*last, *(row(40 + n, f"new{n}", n % 2 > 0) for n in range(8)), row(60, "new0", True)]
    case = exam_case(history, certification_of({"x": history}))
    assert case is not None
    answered = [found for found in history if found.right is not None]
    cut = answered[len(answered) * 2 // 3]
    assert all(found.at <= cut.at for found in case.history)
    assert case.state.track.tallies.total.scored == sum(found.right is not None for found in case.history)
    new = {name for name in case.items if name.startswith("new")}
    assert len(new) == 8
    assert not {"i00", "studied", "late"} & case.items.keys()
    assert case.items["new0"].right is False


def test_a_learner_with_few_new_items_in_the_last_third_takes_no_exam() -> None:
    history = practice(21)
    assert exam_case(history, certification_of({"x": history})) is None
    assert exam_case([row(0, "a", None)], certification_of({"x": history})) is None


def test_an_exam_is_predicted_with_its_own_questions_and_number() -> None:
    history = practice(60)
    certification = certification_of({"x": history})
    case = exam_case(history, certification)
    assert case is not None
    found = told(case, certification)
    assert found.questions == len(case.items) == 20
    assert found.share == pytest.approx(0.75)
    assert found.low < found.expected < found.high
    assert found.expected == pytest.approx(0.7, abs=0.1)
    chances = [found.chances[mark] or 0.0 for mark in sorted(found.chances)]
    assert chances == sorted(chances, reverse=True)


def test_every_answer_is_predicted_before_it_is_known() -> None:
    history = practice(8)
    certification = certification_of({"x": history})
    found = next_answers([history], {SHIPPED: certification}, {"own": OwnAccuracy})
    assert [outcome.happened for outcome in found[SHIPPED]] == [each.right for each in history]
    assert [outcome.predicted for outcome in found["own"]][:3] == [1 / 2, 1 / 3, 2 / 4]
    assert next_answers([history[:4]], {SHIPPED: certification}, {})[SHIPPED] == found[SHIPPED][:4]


def test_baselines_learn_from_answers() -> None:
    history = practice(40)
    certification = certification_of({"x": history})
    case = exam_case(history, certification)
    assert case is not None
    right = sum(bool(found.right) for found in case.history)
    assert told_by(case, OwnAccuracy) == pytest.approx((right + 1) / (len(case.history) + 2))
    assert told_by(case, ReplacedHeuristic) == pytest.approx(right / len(case.history) + 0.1)
    items = elo_items([[row(0, "easy", True), row(1, "hard", False)]] * 20)
    assert items["easy"] < 0 < items["hard"]
    elo = Elo(items)
    before = elo.share("hard", "t")
    elo.learn(row(2, "hard", True))
    assert elo.share("hard", "t") > before


def test_exam_results_are_compared_with_what_was_told_before() -> None:
    taken = Taken(True, 75.0)
    able = [*practice(40), exam_row(50, taken), row(51, "i00", False)]
    newcomer = [exam_row(0, Taken(False)), row(1, "i00", True), exam_row(2, Taken(False, 90.0))]
    certification = certification_of({"x": able})
    first, second = real_exams([able, newcomer], certification)
    assert first.taken is taken, "before the newcomer's first exam, nothing was told"
    assert first.told.pass_probability is not None
    assert second.told.pass_probability is None
    report = real_exams_report([first, second])
    assert "passed a real exam" in report
    assert "Scores of 2 real exams" in report
    assert real_exams_report([]) == ""


def test_a_real_exam_is_predicted_with_its_own_mark_and_number_of_questions() -> None:
    def told_of(taken: Taken) -> Readiness:
        history = [*practice(40), exam_row(50, taken)]
        [exam] = real_exams([history], certification_of({"x": history}))
        return exam.told

    usual = told_of(Taken(True))
    other = told_of(Taken(True, pass_mark=50, questions=10))
    assert (usual.pass_mark, other.pass_mark) == (70, 50)
    assert other.interval.width > usual.interval.width + 5
    assert other.pass_probability != usual.pass_probability


def test_results_are_added_to_the_learners_of_a_log() -> None:
    log = {"a": practice(3), "b": practice(2)}
    exam = exam_row(1, Taken(True))
    found = with_exams(log, {"a": [exam, row(0, "other", True)], "c": [exam]})
    assert found.keys() == log.keys()
    assert [each.exam is not None for each in found["a"]] == [False, False, True, False]
    assert found["b"] == log["b"]


@pytest.mark.parametrize(
    "rows", ["", "a,2026-01-02T10:00:00,,,PASSED\n", "a,2026-01-02T10:00:00,i,t,STUDY\n"]
)
def test_a_log_without_answers_is_refused(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "log.csv"
    path.write_text("learner,time,item,topic,outcome\n" + rows, "utf-8")
    with pytest.raises(InvalidLog, match="no answer"):
        require_answers(read_log(path))


def test_nothing_is_predicted_of_nobody() -> None:
    assert tuning_table({}, certification_of({})).startswith("No tuning learner has 8 items")
    assert next_answers([], {SHIPPED: certification_of({})}, {"own": OwnAccuracy}) == {SHIPPED: [], "own": []}


def test_measures_of_probabilities() -> None:
    outcomes = [Outcome(0.9, True), Outcome(0.2, False), Outcome(0.6, False)]
    assert auc(outcomes) == 1
    assert brier(outcomes) == pytest.approx((0.01 + 0.04 + 0.36) / 3)
    assert log_loss(outcomes) == pytest.approx(-(math.log(0.9) + math.log(0.8) + math.log(0.4)) / 3)


@pytest.mark.parametrize(
    ("share", "questions", "error"), [(0.5, 1, 0.5), (0.5, 2, 0.25), (0.3, 2000, 0.0082)]
)
def test_the_error_that_chance_leaves(share: float, questions: int, error: float) -> None:
    assert expected_error(share, questions) == pytest.approx(error, rel=0.03)


def test_a_bootstrap_interval_is_the_same_each_time_and_holds_the_measure() -> None:
    numbers = [float(n % 7) for n in range(50)]
    mean = sum(numbers) / 50
    low, high = bootstrap(numbers, lambda found: sum(found) / len(found))
    assert (low, high) == bootstrap(numbers, lambda found: sum(found) / len(found))
    assert low < mean < high


def test_only_marks_that_some_but_not_all_pass_are_listed() -> None:
    chances: dict[int, float | None] = {30: 0.9, 40: 0.8, 50: None, 60: 0.5, 70: 0.2, 80: 0.1}
    cases = [Told(0.6, 0.4, 0.8, chances, share, 10) for share in (0.5, 0.7)]
    listed = passing_table({SHIPPED: cases})
    assert "| 60% | 2 | 50% | 50% |" in listed
    assert "30%" not in listed
    assert "80%" not in listed
    assert "readiness" in exams_table({SHIPPED: cases}, {"constant": [(0.5, 0.5), (0.5, 0.7)]})


def test_repeated_answers_are_compared_by_the_age_of_their_own_item() -> None:
    history = [
        row(0, "a", True),
        row(2, "b", True),
        row(5, "a", False),
        row(5, "a", True),
        row(30, "b", True),
    ]
    ages = days_since_last([history, [row(9, "a", True)]])
    assert ages == [None, None, 5, 0, 28, None]
    outcomes = [Outcome(0.75, each.right is True) for each in history] + [Outcome(0.5, True)]
    listed = repeats_table(outcomes, ages)
    assert "| the same day | 1 | 75% | 100% |" in listed
    assert "| 4–13 days | 1 | 75% | 0% |" in listed
    assert "1–3 days" not in listed


def test_it_is_said_which_results_of_exams_were_not_compared() -> None:
    exam = exam_row(1, Taken(True))
    log = {"a": practice(3), "tuning": practice(3)}
    exams = {"a": [exam, exam], "tuning": [exam], "unknown": [exam, exam, exam]}
    said = left_out_of(log, exams, 1, {"a": log["a"]})
    assert said == (
        "6 results of exams: 1 compared, 3 of learners without rows in the log, 1 of tuning learners, "
        "1 before any answer"
    )
    assert times_differ(log, {"a": [exam._replace(in_utc=True)]})
    assert not times_differ(log, exams)


def test_nobody_is_predicted_with_rates_of_their_own_answers() -> None:
    log = {f"u{n}": practice(3) for n in range(40)}
    tuning = {name: rows for name, rows in log.items() if not is_held_out(name)}
    groups = groups_of(log, tuning, log)
    assert sum(len(group) for group, _ in groups) == len(log)
    for group, population in groups:
        assert not {id(rows) for rows in group} & {id(rows) for rows in population}
