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
from collections.abc import Sequence
from pathlib import Path

try:
    from benchmarks.evaluation.comparison import baselines
    from benchmarks.evaluation.log import (
        InvalidLog,
        Log,
        certification_of,
        is_held_out,
        read_log,
        require_answers,
        with_exams,
        with_rates,
    )
    from benchmarks.evaluation.measures import Outcome
    from benchmarks.evaluation.plot import reliability_plot
    from benchmarks.evaluation.predictions import (
        MIN_ITEMS,
        RATED,
        SHIPPED,
        days_since_last,
        exam_case,
        next_answers,
        real_exams,
        told,
        told_by,
    )
    from benchmarks.evaluation.report import (
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
        if exams is not None:
            log = with_exams(log, exams)
        print(f"## {path.name}\n")
        tuning = {learner: rows for learner, rows in log.items() if not is_held_out(learner)}
        if options.tune:
            print(tuning_table(tuning, certification_of(log)), "", sep="\n")
        else:
            reported = log if options.all else {name: log[name] for name in log.keys() - tuning.keys()}
            plotted += _report(log, tuning, dict(sorted(reported.items())))
    if options.plot and plotted:
        options.plot.write_text(reliability_plot(plotted), "utf-8")
    if not options.tune:
        for days, rated in ((20, False), (60, False), (20, True), (60, True)):
            print(time_assessment(days, rated=rated))
    return 0


def _report(log: Log, tuning: Log, reported: Log) -> list[Outcome]:
    """Print the tables of one log. Return the predictions of next answers."""
    population = [tuning[name] for name in sorted(tuning)]
    certification = certification_of(log)
    catalogs = {SHIPPED: certification, RATED: with_rates(certification, population)}
    others = baselines(population)
    _progress(f"{len(reported)} learners are reported, {len(tuning)} were for tuning; next answers")
    histories = list(reported.values())
    answers = next_answers(histories, catalogs, others)
    if not answers[SHIPPED]:
        print("None of the learners who are reported has an answer. With --all, all learners are reported.\n")
        return []
    print(f"{len(reported)} learners with {len(answers[SHIPPED])} answers; {len(tuning)} tuning learners\n")
    print(answers_table(answers), "", reliability_table(answers[SHIPPED], "right"), "", sep="\n")
    print(repeats_table(answers[SHIPPED], days_since_last(histories)), "", sep="\n")
    if real := real_exams_report(real_exams(histories, catalogs[RATED])):
        print(real, "", sep="\n")
    _progress("exams on items that were never practised")
    cases = [case for history in histories if (case := exam_case(history, certification))]
    if not cases:
        print(f"No learner has {MIN_ITEMS} items in the last third that they had never practised.")
        return answers[SHIPPED]
    models = {name: [told(case, catalog) for case in cases] for name, catalog in catalogs.items()}
    pairs = {name: [(told_by(c, other), c.share) for c in cases] for name, other in others.items()}
    print(f"{len(cases)} learners with {MIN_ITEMS} or more items in the last third that are new to them\n")
    floors = {name: f"{chance_floor(found):.1f}" for name, found in models.items()}
    print(exams_table(models, pairs), "", f"Error that chance alone leaves: {floors}", "", sep="\n")
    print(passing_table(models), "", sep="\n")
    chances = passing_outcomes(models[RATED])
    if chances:
        print(reliability_table(chances, "passed, marks of 50 to 80%, with rates"), "", sep="\n")
    return answers[SHIPPED]


def _progress(what: str) -> None:
    print(what, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
