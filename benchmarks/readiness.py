"""How good the readiness estimate is: measured on a log of real practice, against simpler ones.

    python -m benchmarks.readiness [LOG] [--plot docs/readiness.svg] [--all] [--tune]

LOG: columns learner, time, item, topic, outcome (CORRECT, INCORRECT, STUDY) and duration_seconds, as CSV,
compressed or not; by default ../shared/data/statistics_practice.csv.gz, beside the repository. It may have
a column difficulty_level. Each learner's rows are folded in order of time by the product's own code, and
every prediction is made from the state that the rows before it left behind.
"""

import argparse
import csv
import gzip
import math
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from statistics import correlation, fmean, median
from typing import NamedTuple, TextIO

from domain.catalog import NO_DIFFICULTY, Catalog, Certification, ContentMetadata, assign
from domain.days import day_number
from domain.fold import closed_days, fold
from domain.interaction import Interaction
from domain.learner import Day, Learner, Track
from domain.readiness import CONSTANTS, Constants, Readiness, assess, content_share

REPOSITORY = Path(__file__).resolve().parent.parent
LOG = REPOSITORY.parent / "shared" / "data" / "statistics_practice.csv.gz"
CODE = "LOG"
PASSING = (50, 60, 70, 80)
BINS = 10
FEWEST_ANSWERS = 9
"""A learner with fewer has no last third worth the name."""
SCORES = {"CORRECT": 10_000, "INCORRECT": 0, "STUDY": None}
PERFECT = 10_000


class Row(NamedTuple):
    """One row of a log."""

    at: datetime
    item: str
    topic: str
    difficulty: str
    right: bool | None
    """None: studied, not answered."""
    seconds: int


type Log = dict[str, list[Row]]


def read(path: Path) -> Log:
    """The rows of each learner, in order of time."""

    def rows(file: TextIO) -> Iterator[tuple[str, Row]]:
        for fields in csv.DictReader(file):
            outcome = fields["outcome"].upper()
            if outcome not in SCORES:
                continue
            right = None if outcome == "STUDY" else outcome == "CORRECT"
            yield (
                fields["learner"],
                Row(
                    datetime.fromisoformat(fields["time"]),
                    fields["item"],
                    fields["topic"],
                    fields.get("difficulty_level") or NO_DIFFICULTY,
                    right,
                    min(86_400, max(0, round(float(fields.get("duration_seconds") or 0)))),
                ),
            )

    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
    log: Log = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") if packed else path.open(encoding="utf-8") as file:
        for learner, row in rows(file):
            log[learner].append(row)
    for history in log.values():
        history.sort(key=lambda row: row.at)
    return dict(log)


def is_reported(learner: str) -> bool:
    """Whether a learner is among those that no constant was chosen on: about one in two, by a hash."""
    return sha256(learner.encode()).digest()[0] >= 128


def catalog_of(log: Log) -> Certification:
    """What the log offers, as one certification."""
    rows = (row for history in log.values() for row in history)
    items = {row.item: ContentMetadata(row.item, row.topic, row.difficulty) for row in rows}
    return assign(Certification(CODE), (items[name] for name in sorted(items)), 0)


class State:
    """A learner's state as it grows: the product's own fold, in memory."""

    def __init__(self, user: str, certification: Certification) -> None:
        self.learner = Learner(user)
        self.days: dict[int, Day] = {}
        self._catalog = Catalog({certification.code: certification})
        self._count = 0

    def apply(self, row: Row) -> None:
        """Fold one row in."""
        self._count += 1
        score = None if row.right is None else PERFECT * row.right
        interaction = Interaction(
            event_id=f"{self._count}",
            user_id=self.learner.user_id,
            content_id=row.item,
            kind="viewed" if score is None else "answered",
            at=int((row.at - datetime(1970, 1, 1)).total_seconds() * 1e6),
            day=day_number(row.at.date()),
            zone="+00:00",
            zone_named=False,
            score=score,
            seconds=row.seconds,
            certification=None,
        )
        needed = {n: self.days[n] for n in closed_days(self.learner, [interaction])}
        change = fold(self.learner, needed, [interaction], self._catalog)
        self.learner = change.learner
        self.days.update((day.number, day) for day in change.days)
        if self.learner.latest:
            self.days[self.learner.latest.number] = self.learner.latest

    @property
    def track(self) -> Track:
        """What was done so far."""
        return self.learner.tracks.get(CODE, Track())


class Told(NamedTuple):
    """What the answers so far say, for the simpler estimates."""

    right: int
    answers: int
    topics: Mapping[str, tuple[int, int]]
    """Right and all, by topic."""


def own_accuracy(so_far: Told, _: str) -> float:
    """The learner's accuracy so far; the two added answers keep its logarithm finite."""
    return (so_far.right + 1) / (so_far.answers + 2)


def topic_accuracy(so_far: Told, topic: str) -> float:
    """The learner's accuracy in the topic so far, with two added answers."""
    right, answers = so_far.topics.get(topic, (0, 0))
    return (right + 1) / (answers + 2)


def heuristic(so_far: Told, _: str) -> float:
    """What the replaced tracker did: the mean of the categories' scores, and ten points more."""
    if not so_far.topics:
        return 0.5
    mean = fmean(right / answers for right, answers in so_far.topics.values())
    return min(0.99, max(0.01, mean + 0.1))


type Simple = Callable[[Told, str], float]


def simple_estimates(tuning: Iterable[Sequence[Row]]) -> dict[str, Simple]:
    """The estimates to beat; those that need other learners take the tuning ones."""
    answers = [row for history in tuning for row in history if row.right is not None]
    share = fmean(bool(row.right) for row in answers) if answers else 0.5
    by_topic: dict[str, list[bool]] = defaultdict(list)
    for row in answers:
        by_topic[row.topic].append(bool(row.right))
    # Ten answers at the overall share, so that a topic met once says little.
    of_topic = {name: (sum(given) + 10 * share) / (len(given) + 10) for name, given in by_topic.items()}
    return {
        "own accuracy so far": own_accuracy,
        "own accuracy in the category": topic_accuracy,
        "everybody's accuracy in the category": lambda _, topic: of_topic.get(topic, share),
        "constant": lambda _, __: share,
        "replaced heuristic": heuristic,
    }


class Outcome(NamedTuple):
    """One prediction, and what came."""

    predicted: float
    right: bool


class Exam(NamedTuple):
    """One learner's last third: what was expected of it, and what came. Shares, 0 to 1."""

    expected: Mapping[str, float]
    """By estimate; `readiness` is the product's."""
    low: float
    high: float
    passing: Mapping[int, float]
    """By mark, the probability of reaching it."""
    share: float
    questions: int


class Result(NamedTuple):
    """All predictions made of a log."""

    answers: dict[str, list[Outcome]]
    exams: list[Exam]


VARIANTS: Mapping[str, Constants] = {
    "readiness": CONSTANTS,
    "without memory of contents": CONSTANTS._replace(met=0.0, known=0.0),
    "without categories": CONSTANTS._replace(between_categories=1e-6),
    "weaker memory": CONSTANTS._replace(met=0.5, known=1.5),
}


def evaluate(
    log: Mapping[str, Sequence[Row]],
    certification: Certification,
    simple: Mapping[str, Simple],
    variants: Mapping[str, Constants] = VARIANTS,
) -> Result:
    """Walk through every learner's history; predict each answer, and the last third, from those before.

    `variants`: the model with other constants; `readiness` is the one whose intervals are measured.
    """
    answers: dict[str, list[Outcome]] = defaultdict(list)
    exams: list[Exam] = []
    for user, history in log.items():
        state = State(user, certification)
        right = count = 0
        topics: dict[str, tuple[int, int]] = {}
        total = sum(row.right is not None for row in history)
        cut = total * 2 // 3 if total >= FEWEST_ANSWERS else -1
        for position, row in enumerate(history):
            if row.right is not None:
                so_far = Told(right, count, topics)
                today = day_number(row.at.date())
                if count == cut:
                    rest = [later for later in history[position:] if later.right is not None]
                    exams.append(_exam(state, rest, certification, today, so_far, simple, variants))
                content = certification.by_id[row.item]
                days = list(state.days.values())
                for name, constants in variants.items():
                    p = content_share(content, state.track, days, certification, today, constants)
                    answers[name].append(Outcome(p, row.right))
                for name, estimate in simple.items():
                    answers[name].append(Outcome(estimate(so_far, row.topic), row.right))
                right += row.right
                count += 1
                known = topics.get(row.topic, (0, 0))
                topics[row.topic] = (known[0] + row.right, known[1] + 1)
            state.apply(row)
    return Result(dict(answers), exams)


def _exam(
    state: State,
    rest: Sequence[Row],
    certification: Certification,
    today: int,
    so_far: Told,
    simple: Mapping[str, Simple],
    variants: Mapping[str, Constants],
) -> Exam:
    """The last third, taken as an exam whose questions are known beforehand, and their answers are not."""
    items = Counter(row.item for row in rest)
    topics = Counter(row.topic for row in rest)
    on_items = _drawn(certification, items)
    # What is only known is which topics are asked: any content of theirs may be.
    sizes = Counter(c.category for c in certification.contents)
    scale = math.lcm(*(sizes[topic] for topic in topics)) if topics else 1
    on_topics = _drawn(
        certification,
        {
            c.content_id: topics[c.category] * scale // sizes[c.category]
            for c in certification.contents
            if c.category in topics
        },
    )

    shipped = variants["readiness"]

    def assessed(exam: Certification, constants: Constants = shipped, mark: float = 70) -> Readiness:
        return assess(
            state.track, state.days, exam, today, pass_mark=mark, questions=len(rest), constants=constants
        )

    def percent(exam: Certification, constants: Constants = shipped) -> float:
        return (assessed(exam, constants).estimate or 0.0) / 100

    main = assessed(on_items)
    expected = {name: percent(on_items, constants) for name, constants in variants.items()}
    expected["only the topics are known"] = percent(on_topics)
    expected["the whole catalog is asked"] = percent(certification)
    expected["practice goes on in the last third"] = _going_on(state, rest, certification, today)
    for name, estimate in simple.items():
        expected[name] = fmean(estimate(so_far, row.topic) for row in rest)
    return Exam(
        expected,
        main.interval.low / 100,
        main.interval.high / 100,
        {mark: assessed(on_items, mark=mark).pass_probability or 0.0 for mark in PASSING},
        fmean(bool(row.right) for row in rest),
        len(rest),
    )


def _drawn(certification: Certification, questions: Mapping[str, int]) -> Certification:
    """The certification as if its exam had so many questions of each content."""
    return Certification(
        certification.code,
        certification.version,
        tuple(
            c._replace(active=c.content_id in questions, questions=questions.get(c.content_id, 1))
            for c in certification.contents
        ),
    )


def _going_on(state: State, rest: Sequence[Row], certification: Certification, today: int) -> float:
    """The expected share if each content met in the last third is known better the next time it is asked."""
    days = list(state.days.values())
    blank = state.track
    chances: dict[str, tuple[float, float, float]] = {}
    states: dict[str, tuple[float, float, float]] = {}
    expected = 0.0
    for row in rest:
        if row.item not in chances:
            content = certification.by_id[row.item]
            best = blank.best_score(content.ordinal)
            marks = [_with_best(blank, content.ordinal, mark) for mark in (0, 1, PERFECT + 1)]
            new, met, known = (content_share(content, t, days, certification, today) for t in marks)
            chances[row.item] = (new, met, known)
            states[row.item] = (1, 0, 0) if best is None else (0, 1 - best / PERFECT, best / PERFECT)
        p, s = chances[row.item], states[row.item]
        expected += sum(map(float.__mul__, map(float, p), map(float, s)))
        # What is missed now is met the next time, what is right is known.
        states[row.item] = (0, s[0] * (1 - p[0]) + s[1] * (1 - p[1]), s[0] * p[0] + s[1] * p[1] + s[2])
    return expected / len(rest)


def _with_best(track: Track, ordinal: int, mark: int) -> Track:
    best = bytearray(track.best.ljust(2 * ordinal + 2, b"\0"))
    best[2 * ordinal : 2 * ordinal + 2] = mark.to_bytes(2)
    return Track(track.tallies, track.viewed, track.answered, track.completed, bytes(best))


def log_loss(outcomes: Sequence[Outcome]) -> float:
    """Mean negative logarithm of the probability given to what came."""
    return -fmean(math.log(max(1e-6, o.predicted if o.right else 1 - o.predicted)) for o in outcomes)


def brier(outcomes: Sequence[Outcome]) -> float:
    """Mean squared error of the probability."""
    return fmean((o.predicted - o.right) ** 2 for o in outcomes)


def auc(outcomes: Sequence[Outcome]) -> float:
    """The probability that a right one was given more than a wrong one; nan where all are alike."""
    rights = sum(o.right for o in outcomes)
    wrongs = len(outcomes) - rights
    if not rights or not wrongs:
        return math.nan
    groups: dict[float, list[bool]] = defaultdict(list)
    for o in outcomes:
        groups[o.predicted].append(o.right)
    below = 0
    won = 0.0
    for _, group in sorted(groups.items()):
        right = sum(group)
        wrong = len(group) - right
        won += right * (below + wrong / 2)
        below += wrong
    return won / rights / wrongs


class Bin(NamedTuple):
    """Predictions of about the same size."""

    predicted: float
    right: float
    answers: int


def bins(outcomes: Sequence[Outcome]) -> list[Bin]:
    """Predictions in ten bins of equal width: their mean, and the share that came true."""
    groups: dict[int, list[Outcome]] = defaultdict(list)
    for o in outcomes:
        groups[min(BINS - 1, int(o.predicted * BINS))].append(o)
    return [
        Bin(fmean(o.predicted for o in group), fmean(o.right for o in group), len(group))
        for _, group in sorted(groups.items())
    ]


def calibration_error(outcomes: Sequence[Outcome]) -> float:
    """Expected calibration error: the mean distance from the diagonal, by how many predictions are there."""
    return sum(abs(b.predicted - b.right) * b.answers for b in bins(outcomes)) / len(outcomes)


def related(xs: Sequence[float], ys: Sequence[float]) -> float:
    """Pearson's correlation; nan where one of both does not vary."""
    if len(xs) < 2 or max(xs) - min(xs) < 1e-9 or max(ys) - min(ys) < 1e-9:
        return math.nan
    return correlation(xs, ys)


def answers_table(result: Result) -> str:
    """Of each estimate: how well it predicts the next answer."""
    lines = ["| next answer, from those before | AUC | log-loss | Brier | calibration error |"]
    lines += ["|---|---|---|---|---|"]
    for name, outcomes in result.answers.items():
        lines.append(
            f"| {name} | {auc(outcomes):.3f} | {log_loss(outcomes):.4f} | {brier(outcomes):.4f} "
            f"| {calibration_error(outcomes):.3f} |"
        )
    return "\n".join(lines)


def exams_table(result: Result) -> str:
    """Of each estimate: how well it predicts the share right over the last third."""
    shares = [exam.share for exam in result.exams]
    lines = ["| last third, from the first two | correlation | mean absolute error | mean error |"]
    lines += ["|---|---|---|---|"]
    for name in result.exams[0].expected:
        expected = [exam.expected[name] for exam in result.exams]
        errors = [e - s for e, s in zip(expected, shares, strict=True)]
        lines.append(
            f"| {name} | {related(expected, shares):.3f} | {100 * fmean(map(abs, errors)):.1f} points "
            f"| {100 * fmean(errors):+.1f} |"
        )
    return "\n".join(lines)


def coverage(exams: Sequence[Exam]) -> float:
    """Share of the last thirds that lie in their 80 % intervals."""
    return fmean(exam.low - 1e-9 <= exam.share <= exam.high + 1e-9 for exam in exams)


def ceiling(exams: Sequence[Exam]) -> float:
    """About the correlation of the true chances with the shares: chance alone keeps it from 1.

    The noise of a share is taken to be that of its questions, each with the learner's own share: a little
    too much, for questions differ, hence the ceiling is a little low.
    """
    shares = [exam.share for exam in exams]
    mean = fmean(shares)
    variance = fmean((s - mean) ** 2 for s in shares)
    noise = fmean(s * (1 - s) / max(1, e.questions - 1) for s, e in zip(shares, exams, strict=True))
    return math.sqrt(max(0.0, 1 - noise / variance)) if variance else math.nan


def passing_table(exams: Sequence[Exam]) -> str:
    """How well the probability of passing tells those who pass from those who don't."""
    lines = ["| pass mark | passed | AUC | mean probability | Brier |", "|---|---|---|---|---|"]
    for mark in PASSING:
        outcomes = [Outcome(e.passing[mark], e.share >= mark / 100) for e in exams]
        lines.append(
            f"| {mark} % | {fmean(o.right for o in outcomes):.0%} | {auc(outcomes):.3f} "
            f"| {fmean(o.predicted for o in outcomes):.0%} | {brier(outcomes):.3f} |"
        )
    return "\n".join(lines)


def plot(outcomes: Sequence[Outcome]) -> str:
    """The reliability plot, as SVG: predicted against right, the size of a dot by how many there are."""
    size, edge = 320, 44
    most = max(b.answers for b in bins(outcomes))

    def x(p: float) -> float:
        return round(edge + p * size, 1)

    def y(p: float) -> float:
        return round(12 + (1 - p) * size, 1)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size + edge + 16} {size + edge + 20}" '
        'font-family="sans-serif" font-size="11" role="img">',
        "<title>Reliability: share right against predicted share</title>",
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<path d="M{x(0)} {y(0)}L{x(1)} {y(1)}" stroke="#999" stroke-dasharray="4 4"/>',
        f'<path d="M{x(0)} {y(1)}V{y(0)}H{x(1)}" stroke="#333" fill="none"/>',
    ]
    for tick in (0, 0.2, 0.4, 0.6, 0.8, 1):
        parts.append(f'<text x="{x(tick)}" y="{y(0) + 14}" text-anchor="middle">{tick:.0%}</text>')
        parts.append(f'<text x="{x(0) - 5}" y="{y(tick) + 4}" text-anchor="end">{tick:.0%}</text>')
    points = " ".join(f"{x(b.predicted)},{y(b.right)}" for b in bins(outcomes))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#2563eb"/>')
    for b in bins(outcomes):
        r = round(2 + 7 * math.sqrt(b.answers / most), 1)
        parts.append(
            f'<circle cx="{x(b.predicted)}" cy="{y(b.right)}" r="{r}" fill="#2563eb" fill-opacity=".7">'
            f"<title>{b.predicted:.0%} predicted, {b.right:.0%} right, {b.answers} answers</title></circle>"
        )
    parts.append(f'<text x="{x(0.5)}" y="{y(0) + 32}" text-anchor="middle">predicted</text>')
    parts.append(
        f'<text x="12" y="{y(0.5)}" text-anchor="middle" transform="rotate(-90 12 {y(0.5)})">right</text>'
    )
    return "\n".join([*parts, "</svg>", ""])


def tuning_table(log: Mapping[str, Sequence[Row]], certification: Certification) -> str:
    """What each constant does to the tuning learners, the others as they are."""
    tried = {
        "as shipped": CONSTANTS,
        **{
            f"{name} {value}": CONSTANTS._replace(**{name: value})
            for name, values in {
                "prior": (-1.0, 0.0),
                "between_learners": (0.5, 1.0, 4.0),
                "between_categories": (0.1, 0.5),
                "met": (0.5, 0.75, 1.5),
                "known": (1.5, 2.0, 3.0),
            }.items()
            for value in values
        },
        "met 0.75, known 2": CONSTANTS._replace(met=0.75, known=2.0),
        "met 0.5, known 1.5": CONSTANTS._replace(met=0.5, known=1.5),
        "met 0, known 0": CONSTANTS._replace(met=0.0, known=0.0),
    }
    variants = {("readiness" if name == "as shipped" else name): c for name, c in tried.items()}
    result = evaluate(log, certification, {}, variants)
    shares = [exam.share for exam in result.exams]
    lines = ["| constants | AUC | log-loss | calibration error | correlation |", "|---|---|---|---|---|"]
    for name, outcomes in result.answers.items():
        expected = [exam.expected[name] for exam in result.exams]
        lines.append(
            f"| {'as shipped' if name == 'readiness' else name} | {auc(outcomes):.3f} "
            f"| {log_loss(outcomes):.4f} "
            f"| {calibration_error(outcomes):.3f} | {related(expected, shares):.3f} |"
        )
    return "\n".join(lines)


def drift_table(log: Mapping[str, Sequence[Row]], certification: Certification) -> str:
    """What the constant `drift` does to the interval, on the tuning learners."""
    lines = ["| drift | the 80 % interval covers |", "|---|---|"]
    for drift in (0.0, 0.01, 0.015, 0.02, 0.03):
        result = evaluate(log, certification, {}, {"readiness": CONSTANTS._replace(drift=drift)})
        lines.append(f"| {drift} | {coverage(result.exams):.1%} |")
    return "\n".join(lines)


def speed(days: int, categories: int = 12) -> str:
    """Microseconds that one assessment takes, for a learner of many categories and study days."""
    names = [f"c{n:02}" for n in range(categories)]
    items = [ContentMetadata(f"{name}-{n}", name, "intermediate") for name in names for n in range(20)]
    certification = assign(Certification(CODE), items, 0)
    state = State("learner", certification)
    start = datetime(2026, 1, 1)
    for n in range(days * 12):
        item = items[n * 37 % len(items)]
        at = start.replace(month=1 + n // 12 // 28, day=1 + n // 12 % 28)
        state.apply(Row(at, item.content_id, item.category, item.difficulty, n % 3 > 0, 30))
    today = max(state.days)
    took = []
    for _ in range(300):
        begin = time.perf_counter()
        assess(state.track, state.days, certification, today)
        took.append(time.perf_counter() - begin)
    touched = fmean(len(day.tallies[CODE].categories) for day in state.days.values())
    return (
        f"{categories} categories, {days} days of {touched:.0f} categories each: "
        f"median {1e6 * median(took):.0f} µs, best {1e6 * min(took):.0f} µs"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; write the plot."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", nargs="?", type=Path, default=LOG, help="CSV, compressed or not")
    parser.add_argument("--plot", type=Path, help="where to write the reliability plot (SVG)")
    parser.add_argument("--all", action="store_true", help="report all learners, not only the held-out ones")
    parser.add_argument("--tune", action="store_true", help="what each constant does, on the tuning learners")
    options = parser.parse_args(arguments)
    if not options.log.is_file():
        parser.error(f"there is no log at {options.log}; give the path of another one as LOG")
    log = read(options.log)
    certification = catalog_of(log)
    tuning = {user: history for user, history in log.items() if not is_reported(user)}
    if options.tune:
        print(tuning_table(tuning, certification), "\n")
        print(drift_table(tuning, certification))
        return 0
    reported = log if options.all else {u: history for u, history in log.items() if is_reported(u)}
    result = evaluate(reported, certification, simple_estimates(tuning.values()))
    if not result.exams:
        print("No learner has answers enough.", file=sys.stderr)
        return 1
    count = len(result.answers["readiness"])
    print(f"{len(reported)} learners reported, {count} answers; {len(tuning)} learners for tuning\n")
    print(answers_table(result), "\n")
    print("Reliability (predicted, right, answers):")
    for b in bins(result.answers["readiness"]):
        print(f"  {b.predicted:.3f}  {b.right:.3f}  {b.answers}")
    print()
    print(exams_table(result), "\n")
    print(
        f"80 % interval: covers {coverage(result.exams):.1%}, mean width "
        f"{100 * fmean(e.high - e.low for e in result.exams):.0f} points; about the highest correlation "
        f"that chance allows: {ceiling(result.exams):.2f}\n"
    )
    print(passing_table(result.exams), "\n")
    print(speed(days=20))
    print(speed(days=60))
    if options.plot:
        options.plot.write_text(plot(result.answers["readiness"]), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
