"""`streakline show`: print a learner's dashboard."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import click
from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from cli.output import print_json
from cli.stack import Stack, on_stack
from domain import shapes
from domain.rounding import round_within
from domain.standing import ConditionKind
from domain.views import READINESS_DAYS, dashboard
from functions.view_context import load_view_context

PERIOD_DAYS = 30
WEEKS = 27
"""Weeks of the calendar."""
_BARS = " ▁▂▃▄▅▆▇█"


@click.command()
@click.argument("user")
@click.option(
    "--today",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Date that streaks and periods are counted to.  [default: today in the learner's latest zone]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the dashboard as the API's JSON.")
@on_stack
def show(stack: Stack, user: str, today: datetime | None, as_json: bool) -> None:
    """Show the dashboard of the learner USER.

    Example: streakline show demo-ada
    """
    day = today.date() if today else None
    if as_json:
        print_json(_dashboard(stack, user, day))
    else:
        render(Console(), stack, user, day)


def _dashboard(stack: Stack, user: str, today: date | None) -> shapes.Dashboard:
    now = datetime.now(UTC)
    context = load_view_context(
        stack.store,
        user,
        stack.store.full_catalog(),
        stack.store.rarity(),
        freezes=stack.freezes,
        period_days=max(PERIOD_DAYS, READINESS_DAYS),
        today=today,
        now=now,
    )
    if context.learner.version == 0:
        raise click.ClickException(f"there is no learner {user}: no interaction of theirs has been applied")
    return dashboard(context, PERIOD_DAYS, now)


def render(console: Console, stack: Stack, user: str, today: date | None) -> None:
    """Print a learner's dashboard for people. Raise click.ClickException if there is no such learner."""
    view = _dashboard(stack, user, today)
    console.print(
        Group(
            Panel(_totals(view), title=f"[bold]{user}", subtitle=f"as of {view['study_streak']['today']}"),
            Columns([Panel(_streak(view["study_streak"]), title="Study streak")]),
            _certifications(view["certification_progress"]),
            *[_readiness(code, both) for code, both in view["certification_progress"].items()],
            _trend(view),
            _achievements(view),
        )
    )


def _totals(view: shapes.Dashboard) -> RenderableType:
    totals = view["overall_analytics"]
    table = Table.grid(padding=(0, 3))
    # Two rows of figures fit into 80 columns.
    table.add_row("Interactions", "Viewed", "Answered", "Completed")
    table.add_row(
        f"[bold]{totals['total_interactions']:,}",
        f"{totals['total_content_viewed']} items",
        f"{totals['total_questions_answered']:,} times",
        f"{totals['total_content_completed']} items",
    )
    table.add_row()
    table.add_row("Average", "Time", "Completion", "Points")
    table.add_row(
        _or_dash(totals["average_score"], "{:.2f} %"),
        _hours(totals["time_spent_total_seconds"]),
        _or_dash(_whole(totals["completion_rate"]), "{:.0f} %"),
        f"[bold yellow]{view['total_points']:,}",
    )
    return table


def _streak(streak: shapes.Streak) -> RenderableType:
    flame = "🔥" if streak["current_streak"] else "  "
    headline = (
        f"{flame} {_days(streak['current_streak'])} now · longest {_days(streak['longest_streak'])} · "
        f"{_days(streak['total_study_days'])} of study"
    )
    studied = {date.fromisoformat(day) for day in streak["calendar"]}
    today = date.fromisoformat(streak["today"])
    monday = today - timedelta(days=today.weekday())
    mondays = [monday - timedelta(weeks=week) for week in range(WEEKS - 1, -1, -1)]
    rows = [_months(mondays)]
    for weekday, name in enumerate(("Mo", "", "We", "", "Fr", "", "Su")):
        row = Text(f"{name:3}")
        for first in mondays:
            day = first + timedelta(days=weekday)
            if day <= today:
                row.append("■ " if day in studied else "· ", "green" if day in studied else "dim")
        rows.append(row)
    return Group(Text(headline), Text(), *rows)


def _months(mondays: Sequence[date]) -> Text:
    """Return the line above the calendar: each month's name above the week in which its first day lies."""
    line = " " * 3
    for n, first in enumerate(mondays):
        week = [first + timedelta(days=day) for day in range(7)]
        start = next((day for day in week if day.day == 1), None)
        # A name is wider than a week, so the next one may leave no place.
        if start is not None and len(line) <= 3 + 2 * n:
            line = f"{line:{3 + 2 * n}}{start:%b}"
    return Text(line, "dim")


def _certifications(progress: dict[str, shapes.CertificationProgress]) -> RenderableType:
    table = Table(title="Certifications", title_justify="left", expand=True)
    for name in ("", "completed", "average", "time", "last exam", "to work on"):
        table.add_column(name, justify="left" if name in ("", "to work on") else "right")
    for code, both in progress.items():
        totals, readiness = both["analytics"], both["readiness"]
        weak = [area["category"] for area in readiness["weak_areas"][:3]]
        table.add_row(
            f"[bold]{code}",
            _or_dash(_whole(totals["completion_rate"]), "{:.0f} %"),
            _or_dash(totals["average_score"], "{:.2f} %"),
            _hours(totals["time_spent_total_seconds"]),
            _exam(readiness["last_exam"]),
            ", ".join(weak) or "–",
        )
    return table


def _readiness(code: str, progress: shapes.CertificationProgress) -> Text:
    """Return sentences that keep what is expected of new questions apart from what was practised."""
    found = progress["readiness"]
    if found["evidence"]["coverage"] is None:
        return Text.assemble(
            (code, "bold"), "  It has no content any more, so nothing says how ready you are."
        )
    if found["readiness_score"] is None:
        return Text.assemble((code, "bold"), "  There is no scored answer yet that says how ready you are.")
    low, high = map(_whole, found["interval_80"])
    sentences = [
        f"On new questions we expect {_whole(found['readiness_score']):.0f} % ({low:.0f}–{high:.0f} %); "
        f"passing takes {found['pass_mark']:g} %."
    ]
    chance = _whole(_percent(found["predicted_pass_probability"]))
    if chance is None and found["evidence"]["coverage"] == 1:
        sentences.append("There are too few questions for a chance of passing.")
    elif chance is None:
        sentences.append("For a chance of passing, answer more different questions.")
    else:
        sentences.append(f"Your estimated chance of passing is {chance:.0f} %.")
    if found["practice_score"] is not None:
        # Memory is no reason if no more is expected of practised questions than of new ones.
        known = found["practice_score"] > found["readiness_score"]
        sentences.append(
            f"You now get about {_whole(found['practice_score']):.0f} % of the questions right that you have "
            f"practised{', partly because you know them' if known else ''}. It says nothing about an exam."
        )
    return Text.assemble((code, "bold"), "  ", " ".join(sentences))


def _exam(exam: shapes.ExamOutcome | None) -> str:
    if exam is None:
        return "–"
    score = "" if exam["score"] is None else f", {exam['score']:.1f} %"
    return f"{'passed' if exam['passed'] else 'failed'}{score} ({exam['occurred_at'][:10]})"


def _trend(view: shapes.Dashboard) -> RenderableType:
    by_day = {trend["date"]: trend["metrics"]["total_interactions"] for trend in view["performance_trends"]}
    today = date.fromisoformat(view["study_streak"]["today"])
    counts = [
        by_day.get((today - timedelta(days=PERIOD_DAYS - 1 - n)).isoformat(), 0) for n in range(PERIOD_DAYS)
    ]
    most = max(counts) or 1
    line = "".join(_BARS[-(-count * (len(_BARS) - 1) // most)] for count in counts)
    return Text.assemble(
        f"Last {PERIOD_DAYS} days  ",
        (line, "cyan"),
        f"  {sum(counts)} interactions, at most {max(counts)} a day",
    )


def _achievements(view: shapes.Dashboard) -> RenderableType:
    titles = [Text(f"{a['badge_icon']} {a['title']}") for a in view["achievements"]] or [Text("none yet")]
    lines: list[RenderableType] = [Text("Achievements", "bold"), Columns(titles, padding=(0, 2))]
    for goal in view["next_achievements"]:
        progress = goal["progress"]
        value, target = progress["value"], progress["target"]
        filled = 20 * value // target
        lines.append(
            Text.assemble(
                f"  next: {goal['title']}\n    ",
                ("█" * filled, "green"),
                ("░" * (20 - filled), "dim"),
                f" {value}/{target}  {_missing(goal)}",
            )
        )
    return Group(*lines)


_CONDITIONS: dict[ConditionKind, str] = {
    "study_days": "{value:g} of {target} days in a row",
    "scores": "{value:g} of {target} scores",
    "average_score": "average {value:.2f} of {target} %",
    "contents": "{value:g} of {target} contents",
    "hours": "{value:g} of {target} hours",
    "perfect_scores": "{value:g} of {target} scores of 100",
    "count": "{value:g} of {target}",
}


def _missing(goal: shapes.NextAchievement) -> str:
    """Return what an achievement lacks, or what brings one that is reached."""
    if goal["progress"]["reached"]:
        within = {"certification": f" in {goal['certification_type']}", "category": " in this category"}
        return f"reached: your next interaction{within.get(goal['achievement_type'], '')} brings it"
    return ", ".join(
        f"no score yet (average {condition['target']} %)"
        if condition["value"] is None
        else _CONDITIONS[condition["kind"]].format(**condition)
        for condition in goal["progress"]["missing"]
    )


def _days(count: int) -> str:
    return f"{count} day" if count == 1 else f"{count} days"


def _hours(seconds: int) -> str:
    """Return hours rounded down, so that a shown 10.0 has earned the achievement for 10."""
    return f"{seconds * 10 // 3600 / 10:.1f} h"


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _whole(percent: float | None) -> float | None:
    return None if percent is None else round_within(percent, 0, 100, 0)


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
