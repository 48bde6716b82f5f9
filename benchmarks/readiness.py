"""Measure the readiness estimate on logs of real practice, compare it with other estimates, and time it.

    python -m benchmarks.readiness [LOG...] [--plot docs/readiness.svg] [--all] [--tune]

A LOG is a CSV file, compressed or not. It has the columns learner, time, item, topic, outcome, and optionally
duration_seconds and difficulty_level. An outcome is CORRECT, INCORRECT or STUDY, and of a real exam PASSED
or FAILED. The row of an exam has no item, and optionally score and pass_mark in per cent, and the number of
questions. By default the logs are statistics_practice.csv.gz and toeic_practice.csv.gz, in ../shared/data
beside the repository. Those that are missing are left out. The product's own code folds each learner's rows.
Every prediction is made from the earlier rows, and rates of right first answers come from other learners.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

try:
    from benchmarks.evaluation.comparison import baselines
    from benchmarks.evaluation.log import (
        InvalidLog,
        Log,
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
    from benchmarks.evaluation.measures import Outcome
    from benchmarks.evaluation.plot import reliability_plot
    from benchmarks.evaluation.predictions import (
        MIN_ITEMS,
        RATED,
        SHIPPED,
        RealExam,
        Told,
        days_since_last,
        exam_case,
        next_answers,
        real_exams,
        told,
        told_by,
    )
    from benchmarks.evaluation.report import (
        Pair,
        answers_table,
        chance_floor,
        exams_table,
        passing_outcomes,
        passing_table,
        real_exams_report,
        reliability_table,
        repeats_table,
    )
    from benchmarks.evaluation.speed import time_assessment
    from benchmarks.evaluation.tuning import tuning_table
except ModuleNotFoundError as missing:
    sys.exit(
        f"This benchmark can't import {missing.name!r}. Run `make bench`, or after it "
        "`.venv/bin/python -m benchmarks.readiness` in the repository."
    )

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DEFAULT_LOGS = (DATA / "statistics_practice.csv.gz", DATA / "toeic_practice.csv.gz")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and the timings, and write the plot. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("logs", nargs="*", type=Path, metavar="LOG", help="a CSV file, compressed or not")
    parser.add_argument("--plot", type=Path, help="the file to write the reliability plot to (SVG)")
    parser.add_argument(
        "--exams", type=Path, help="results of exams, as `streakline exam-results` prints them"
    )
    parser.add_argument("--all", action="store_true", help="report all learners, not only those held out")
    parser.add_argument("--tune", action="store_true", help="show each constant's effect on tuning learners")
    options = parser.parse_args(arguments)
    plotted: list[Outcome] = []
    exams: Log | None = None
    if options.exams:
        try:
            exams = read_log(options.exams)
        except (InvalidLog, OSError) as error:
            print(f"Can't read the exams {options.exams}: {error}", file=sys.stderr)
            return 1
    for path in options.logs or DEFAULT_LOGS:
        if not options.logs and not path.exists():
            print(f"Nothing is measured on {path.name}, because it is missing.", file=sys.stderr)
            continue
        try:
            log = read_log(path)
            require_answers(log)
        except (InvalidLog, OSError) as error:
            print(f"Can't read the log {path}: {error}", file=sys.stderr)
            return 1
        of_log: Log = {name: [row for row in rows if row.exam] for name, rows in log.items()}
        if exams is not None:
            if times_differ(log, exams):
                print(
                    "Times of the log have no offset, or those of the exams: they are compared as they are.",
                    file=sys.stderr,
                )
            log = with_exams(log, exams)
            of_log = {
                name: [*of_log.get(name, ()), *exams.get(name, ())] for name in of_log.keys() | exams.keys()
            }
        print(f"## {path.name}\n")
        tuning = {learner: rows for learner, rows in log.items() if not is_held_out(learner)}
        if options.tune:
            print(tuning_table(tuning, certification_of(log)), "", sep="\n")
        else:
            reported = log if options.all else {name: log[name] for name in log.keys() - tuning.keys()}
            plotted += _report(log, tuning, dict(sorted(reported.items())), of_log)
    if options.plot and plotted:
        options.plot.write_text(reliability_plot(plotted), "utf-8")
    if not options.tune:
        for days, rated in ((20, False), (60, False), (20, True), (60, True)):
            print(time_assessment(days, rated=rated))
    return 0


def _report(log: Log, tuning: Log, reported: Log, results: Log) -> list[Outcome]:
    """Print the tables of one log. Return the predictions of next answers.

    `results`: the results of exams, also of learners who are not in the log.
    """
    certification = certification_of(log)
    _progress(f"{len(reported)} learners are reported, {len(tuning)} were for tuning; next answers")
    answers: dict[str, list[Outcome]] = {}
    ages: list[int | None] = []
    real: list[RealExam] = []
    models: dict[str, list[Told]] = {}
    pairs: dict[str, list[Pair]] = {}
    for group, population in groups_of(log, tuning, reported):
        catalogs = {SHIPPED: certification, RATED: with_rates(certification, population)}
        others = baselines(population)
        _extend(answers, next_answers(group, catalogs, others))
        ages += days_since_last(group)
        real += real_exams(group, catalogs[RATED])
        _progress("exams on items that were never practised")
        cases = [case for history in group if (case := exam_case(history, certification))]
        _extend(models, {name: [told(case, catalog) for case in cases] for name, catalog in catalogs.items()})
        _extend(
            pairs, {name: [(told_by(c, other), c.share) for c in cases] for name, other in others.items()}
        )
    if not answers.get(SHIPPED):
        print("None of the learners who are reported has an answer. With --all, all learners are reported.\n")
        return []
    print(f"{len(reported)} learners with {len(answers[SHIPPED])} answers; {len(tuning)} tuning learners\n")
    print(answers_table(answers), "", reliability_table(answers[SHIPPED], "right"), "", sep="\n")
    print(repeats_table(answers[SHIPPED], ages), "", sep="\n")
    if any(row.exam for rows in results.values() for row in rows):
        print(left_out_of(log, results, len(real), reported), "", sep="\n")
    if found := real_exams_report(real):
        print(found, "", sep="\n")
    number = len(models[SHIPPED])
    if not number:
        print(f"No learner has {MIN_ITEMS} items in the last third that they had never practised.")
        return answers[SHIPPED]
    print(f"{number} learners with {MIN_ITEMS} or more items in the last third that are new to them\n")
    floors = {name: f"{chance_floor(found):.1f}" for name, found in models.items()}
    print(exams_table(models, pairs), "", f"Error that chance alone leaves: {floors}", "", sep="\n")
    print(passing_table(models), "", sep="\n")
    chances = passing_outcomes(models[RATED])
    if chances:
        print(reliability_table(chances, "passed, marks of 50 to 80%, with rates"), "", sep="\n")
    return answers[SHIPPED]


def _extend[T](all_of: dict[str, list[T]], more: Mapping[str, list[T]]) -> None:
    for name, found in more.items():
        all_of.setdefault(name, []).extend(found)


def _progress(what: str) -> None:
    print(what, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
