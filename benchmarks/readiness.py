"""Measure the readiness estimate on a log of real practice, compare it with simpler estimates, and time it.

    python -m benchmarks.readiness [LOG] [--plot docs/readiness.svg] [--all] [--tune]

LOG is a CSV file, compressed or not, with the columns learner, time, item, topic, outcome (CORRECT, INCORRECT
or STUDY), and optionally duration_seconds and difficulty_level. By default it is
../shared/data/statistics_practice.csv.gz, beside the repository. If that is missing, only the timings are
measured. The product's own code folds each learner's rows in order of time. Every prediction is made from the
state after the earlier rows.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

try:
    from benchmarks.evaluation.baselines import baselines
    from benchmarks.evaluation.log import InvalidLog, Log, certification_of, is_held_out, read_log
    from benchmarks.evaluation.predictions import SHIPPED, has_last_third, predict_log
    from benchmarks.evaluation.report import (
        answers_table,
        drift_table,
        interval_summary,
        last_thirds_table,
        passing_table,
        reliability_plot,
        reliability_table,
        tuning_table,
    )
    from benchmarks.evaluation.speed import time_assessment
except ModuleNotFoundError as missing:
    sys.exit(
        f"This benchmark can't import {missing.name!r}. Run `make bench`, or after the set-up "
        "`.venv/bin/python -m benchmarks.readiness` in the repository."
    )

DEFAULT_LOG = Path(__file__).resolve().parents[2] / "shared" / "data" / "statistics_practice.csv.gz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables and the timings, and write the plot. Return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", nargs="?", type=Path, metavar="LOG", help="a CSV file, compressed or not")
    parser.add_argument("--plot", type=Path, help="the file to write the reliability plot to (SVG)")
    parser.add_argument("--all", action="store_true", help="report all learners, not only those held out")
    parser.add_argument("--tune", action="store_true", help="show each constant's effect on tuning learners")
    options = parser.parse_args(arguments)
    path: Path = options.log or DEFAULT_LOG
    if options.log is None and not path.exists():
        print(f"Accuracy is not measured, because the log {path} is missing.", file=sys.stderr)
    else:
        try:
            log = read_log(path)
        except (InvalidLog, OSError) as error:
            print(f"Can't read the log {path}: {error}", file=sys.stderr)
            return 1
        tuning = {learner: rows for learner, rows in log.items() if not is_held_out(learner)}
        if options.tune:
            return _tune(log, tuning)
        reported = log if options.all else {name: rows for name, rows in log.items() if name not in tuning}
        if code := _report(log, tuning, reported, options.plot):
            return code
    print(time_assessment(days=20))
    print(time_assessment(days=60))
    return 0


def _tune(log: Log, tuning: Log) -> int:
    if not any(map(has_last_third, tuning.values())):
        print("No tuning learner in the log has enough answers.", file=sys.stderr)
        return 1
    certification = certification_of(log)
    print(tuning_table(tuning, certification), drift_table(tuning, certification), sep="\n\n")
    return 0


def _report(log: Log, tuning: Log, reported: Log, plot: Path | None) -> int:
    predictions = predict_log(reported, certification_of(log), baselines(tuning.values()))
    if not predictions.last_thirds:
        print("No learner in the log has enough answers.", file=sys.stderr)
        return 1
    outcomes = predictions.answers[SHIPPED]
    print(
        f"{len(reported)} learners reported, with {len(outcomes)} answers; {len(tuning)} tuning learners",
        answers_table(predictions),
        reliability_table(outcomes),
        last_thirds_table(predictions.last_thirds),
        interval_summary(predictions.last_thirds),
        passing_table(predictions.last_thirds),
        sep="\n\n",
        end="\n\n",
    )
    if plot:
        plot.write_text(reliability_plot(outcomes), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
