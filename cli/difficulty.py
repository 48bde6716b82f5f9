"""`streakline difficulty`: compute how often each content is answered right at first."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import click
from botocore.exceptions import ClientError
from rich.console import Console
from rich.table import Table

from cli.athena import log_queries, run
from cli.log_files import Fault
from cli.logs import FORMATS, Format, Log, read_log
from cli.output import doing, print_json, progress_bar
from cli.stack import Stack, ask_first, on_stack_if_needed, yes_option
from domain.catalog import Catalog, UnknownCertification, UnknownContent
from domain.correct_rates import CorrectRate, FirstAnswers, Subject, correct_rates, rates_of
from domain.exam_results import is_exam
from domain.interaction import Interaction, InvalidInteraction, parse
from domain.retraction import is_retraction, parse_retraction
from functions.first_answers_sql import SUMS
from functions.log_views import with_views

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
LISTED = 20
"""The number of contents to print; `--json` prints all."""
_UNKNOWN = "ConditionalCheckFailedException"


@click.command()
@click.argument("files", nargs=-1, type=_FILE)
@click.option(
    "--format",
    "log_format",
    type=click.Choice(FORMATS),
    default="interactions",
    show_default=True,
    help="Format of the files, as for `emit`.",
)
@click.option("--map", "mapping", type=_FILE, help="Mapping of CSV files, as for `emit`.")
@click.option("--skip-bad", is_flag=True, help="Leave out rows that can't be used.")
@click.option("--apply", is_flag=True, help="Write the rates to the stack's content table.")
@click.option("--json", "as_json", is_flag=True, help="Print all rates as JSON.")
@yes_option
@on_stack_if_needed
def difficulty(
    connected: Callable[[], Stack],
    files: tuple[Path, ...],
    log_format: Format,
    mapping: Path | None,
    skip_bad: bool,
    apply: bool,
    as_json: bool,
    yes: bool,
) -> None:
    """Compute how often the first answers to each content were right, in the event log or in FILES.

    With --apply, write `correct_rate` and `answered_by` to the content table, where readiness finds them.
    Content that the table does not have is listed and not added.

    Example: streakline difficulty --apply
    """
    left_out: Counter[str] = Counter()
    logs = [read_log(file, log_format, mapping, skip_bad=skip_bad) for file in files]
    stack = connected() if apply or not files else None
    if stack is None:
        rates = correct_rates(_interactions(logs, left_out))
    else:
        resolve = partial(_resolved, catalog=stack.store.full_catalog())
        if files:
            rates = correct_rates(_interactions(logs, left_out), resolve)
        else:
            with doing("asking the event log"):
                rates = rates_of(in_log(stack), resolve)
    written, missing = 0, list[Subject]()
    if stack is not None and apply:
        ask_first(stack, yes, f"This writes the rates of {len(rates):,} contents into the content table")
        written, missing = _apply(stack, rates)
    if as_json:
        print_json(
            {
                "rates": [
                    {"certification_type": code, "content_id": content, **rate._asdict()}
                    for (code, content), rate in rates.items()
                ],
                "left_out": dict(left_out.most_common()),
                "written": written,
                "missing": [content for _, content in missing],
            }
        )
        return
    _print(rates, left_out)
    if apply:
        click.echo(f"{written:,} contents of the content table have their rates now.")
        for _, content in missing:
            click.echo(f"  not in the content table: {content}")


def in_log(stack: Stack) -> Iterator[FirstAnswers]:
    """Yield the first answers in a stack's event log."""
    for row in run(stack, with_views(SUMS, log_queries(stack).engine)):
        code, learner, minute = (
            None if row[name] is None else str(row[name])
            for name in ("certification_type", "learner", "minute")
        )
        subject = (code, str(row["content_id"]))
        yield FirstAnswers(
            subject, int(row["hundredths"] or 0), int(row["learners"] or 0), learner, minute or ""
        )


def _reason(fault: Fault) -> str:
    return f"{fault.column}: {fault.message}" if fault.column else fault.message


def _interactions(logs: Iterable[Log], left_out: Counter[str]) -> Iterator[Interaction]:
    """Yield the valid interactions of the logs, and count the others by reason."""
    now = datetime.now(UTC)
    logs = list(logs)
    retracted = _retracted(logs, now, left_out)
    for log in logs:
        left_out.update(log.left_out)
        left_out.update(_reason(fault) for fault in log.faults)
        for fields in log.interactions:
            if is_exam(fields):
                left_out["results of exams"] += 1
                continue
            if is_retraction(fields):
                continue
            try:
                interaction = parse(fields, now)
            except InvalidInteraction as error:
                left_out[f"{error.code}: {error}"] += 1
                continue
            if (interaction.user_id, interaction.utc_day, interaction.event_id) in retracted:
                left_out["interactions that were taken back"] += 1
            else:
                yield interaction


def _retracted(logs: Iterable[Log], now: datetime, left_out: Counter[str]) -> set[tuple[str, int, str]]:
    """Return the learner, UTC day and event_id of what the logs take back. Count retractions by validity."""
    found: set[tuple[str, int, str]] = set()
    for log in logs:
        for fields in filter(is_retraction, log.interactions):
            try:
                retraction = parse_retraction(fields, now)
            except InvalidInteraction as error:
                left_out[f"{error.code}: {error}"] += 1
                continue
            found.add((retraction.user_id, retraction.utc_day, retraction.event_id))
            left_out["retractions"] += 1
    return found


def _print(rates: Mapping[Subject, CorrectRate], left_out: Counter[str]) -> None:
    console = Console()
    if not rates:
        click.echo("No interaction has a score.")
    else:
        table = Table(title="Hardest contents, by first answers", title_justify="left")
        for name in ("content", "certification", "right", "learners"):
            table.add_column(name, justify="right" if name in ("right", "learners") else "left")
        for (code, content), rate in list(rates.items())[:LISTED]:
            table.add_row(content, code or "–", f"{100 * rate.correct_rate:.1f} %", f"{rate.answered_by:,}")
        console.print(table)
        more = f", of which the hardest {LISTED} are shown" if len(rates) > LISTED else ""
        have = "content has" if len(rates) == 1 else "contents have"
        click.echo(f"{len(rates):,} {have} scores{more}.")
    for name, count in left_out.most_common():
        click.echo(f"  left out: {count:6,}  {name}")


def _apply(stack: Stack, rates: Mapping[Subject, CorrectRate]) -> tuple[int, list[Subject]]:
    """Write the rates to the content table. Return the number written, and what the table does not have."""
    dynamodb, table = stack.client("dynamodb"), stack.outputs["ContentTableName"]
    missing: list[Subject] = []
    with progress_bar() as progress:
        for subject, rate in progress.track(rates.items(), description="writing rates"):
            code, content = subject
            if code is None or not _write(dynamodb, table, (code, content), rate):
                missing.append(subject)
    return len(rates) - len(missing), missing


def _resolved(subject: Subject, catalog: Catalog) -> Subject:
    """Return a content with the certification that its interactions count for; as it is without a place."""
    code, content = subject
    try:
        return catalog.place(content, code).certification, content
    except (UnknownCertification, UnknownContent):
        return subject


def _write(dynamodb: Any, table: str, key: tuple[str, str], rate: CorrectRate) -> bool:
    """Write a rate to a row of the content table. Return False if there is no such row."""
    code, content = key
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"content_id": {"S": content}, "certification_type": {"S": code}},
            UpdateExpression="SET correct_rate = :rate, answered_by = :learners",
            ConditionExpression="attribute_exists(content_id)",
            ExpressionAttributeValues={
                ":rate": {"N": str(rate.correct_rate)},
                ":learners": {"N": str(rate.answered_by)},
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == _UNKNOWN:
            return False
        raise
    return True
