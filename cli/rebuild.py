"""`streakline rebuild`: build the generation of the views that is not live from the event log."""

import json
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any, Literal

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import command, print_json
from cli.stack import Stack, ask_first, on_stack, yes_option
from domain.generations import Colour, other
from domain.rebuilding import REPORT, Report, Run, total
from functions.rebuild_runs import LatestRun, Runs
from functions.run_files import RunFiles

POLL_SECONDS = 2
SECONDS_TO_START = 60
"""How long after it was noted a rebuild may have no execution: its command is about to start it."""
MAX_LISTED = 20
STEPS = {"copy": "copying awards", "partition": "dividing the log by learner", "fold": "folding learners"}

type Status = Literal["running", "failed", "finished"]


@click.command()
@click.option("--status", "what", flag_value="status", help="Show how far the latest rebuild is, and end.")
@click.option("--resume", "what", flag_value="resume", help="Go on with a failed rebuild.")
@click.option("--redrive", "what", flag_value="redrive", help="The same in its old execution; on AWS only.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@yes_option
@on_stack
def rebuild(stack: Stack, what: str | None, as_json: bool, yes: bool) -> None:
    """Build the generation of the views that is not live from the event log.

    Deploy the stack with Views=both first. Learners notice nothing: what they see is never written to, and
    nothing is announced. The rebuild goes on if you interrupt this command; --status shows how far it is.
    Afterwards, `streakline compare` tells what differs, and `streakline cutover` makes it the live one.

    Example: streakline rebuild --status
    """
    rebuilds = Rebuilds(stack)
    match what:
        case None:
            found = rebuilds.begin(yes)
        case "resume":
            found = rebuilds.go_on(yes, redrive=False)
        case "redrive":
            found = rebuilds.go_on(yes, redrive=True)
        case _:
            found = rebuilds.status(with_report=True)
    if what != "status":
        _wait(rebuilds, found)
        found = rebuilds.status(with_report=True)
    if as_json:
        print_json(found.to_json())
    else:
        _print(found)
    if found.status == "failed" or found.report.learners_in_trouble:
        raise SystemExit(1)


@dataclass(frozen=True)
class Progressed:
    """How far a rebuild is."""

    latest: LatestRun
    status: Status
    cause: str | None
    """Why it failed, if it did."""
    run: Run | None
    """None if it has done nothing yet."""
    done: int
    """The items of the step under way that are done."""
    report: Report

    def to_json(self) -> dict[str, Any]:
        """Return it for programs."""
        step = self.run.step if self.run else None
        return {
            "run": self.latest.run,
            "generation": self.latest.colour,
            "status": self.status,
            "cause": self.cause,
            "round": step.round if step else None,
            "step": step.kind if step else None,
            "items": self.run.items if self.run and step else None,
            "done": self.done if step else None,
            "report": asdict(self.report),
        }


@dataclass(frozen=True)
class Rebuilds:
    """The rebuilds of a stack, as its control table, its bucket and Step Functions have them."""

    stack: Stack

    @property
    def runs(self) -> Runs:
        """The control table's item."""
        return Runs(self.stack.client("dynamodb"), self.stack.outputs["ControlTableName"])

    @property
    def machine(self) -> str:
        """The ARN of the state machine. Raise ClickException if the stack has none."""
        arn = self.stack.outputs.get("RebuildStateMachineArn")
        if arn is None:
            raise click.ClickException("this stack has no event log from which anything could be rebuilt")
        return arn

    def files(self, run: str) -> RunFiles:
        """Return the files of a rebuild."""
        return RunFiles(lambda: self.stack.client("s3"), self.stack.outputs["EventLogBucket"], run)

    # -- begin and go on ---------------------------------------------------------------------------

    def begin(self, yes: bool) -> Progressed:
        """Begin a rebuild. Raise ClickException if one is under way, or if there is nothing to build."""
        colour = self._colour()
        latest = self.runs.latest()
        if latest is not None and self.status().status == "running":
            raise click.ClickException(
                f"the rebuild {latest.run} is under way; `{command()} rebuild --status` shows how far it is"
            )
        ask_first(self.stack, yes, f"This builds the {colour} generation of the views from the event log")
        now = datetime.now(UTC)
        run = LatestRun(f"{now:%Y%m%dT%H%M%S}-{token_hex(4)}", colour, int(now.timestamp() * 1000))
        if not self.runs.begin(run, latest):
            raise click.ClickException("somebody else has begun a rebuild at this moment")
        self._start(run, run.run)
        return self.status()

    def _colour(self) -> Colour:
        colour = other(self.stack.generations.epochs()[-1].live)
        self.stack.generation(colour)
        return colour

    def go_on(self, yes: bool, *, redrive: bool) -> Progressed:
        """Go on with the latest rebuild. Raise ClickException if it did not fail."""
        found = self.status()
        if found.status != "failed":
            raise click.ClickException(f"the rebuild {found.latest.run} is {found.status}; it did not fail")
        ask_first(self.stack, yes, f"This goes on with the rebuild {found.latest.run}")
        if found.run is not None:
            self.files(found.latest.run).save(replace(found.run, attempts=0))
        if not redrive:
            self._start(found.latest, f"{found.latest.run}-{datetime.now(UTC):%H%M%S}-{token_hex(2)}")
        elif self.stack.endpoint_url is not None:
            raise click.ClickException("the local stack's Step Functions can't redrive; use --resume")
        elif (execution := self._execution(found.latest)) is None:
            raise click.ClickException("the rebuild has no execution to redrive; use --resume")
        else:
            self.stack.client("stepfunctions").redrive_execution(executionArn=execution["executionArn"])
        return self.status()

    def _start(self, run: LatestRun, name: str) -> None:
        given = json.dumps({"run": run.run, "colour": run.colour})
        self.stack.client("stepfunctions").start_execution(
            stateMachineArn=self.machine, name=name, input=given
        )

    # -- how far it is -----------------------------------------------------------------------------

    def status(self, *, with_report: bool = False) -> Progressed:
        """Return how far the latest rebuild is. Raise ClickException if there was none.

        The report of a rebuild under way is only read if it is asked for: it has a part for each item.
        """
        latest = self.runs.latest()
        if latest is None:
            raise click.ClickException(f"nothing was rebuilt yet; begin with `{command()} rebuild`")
        status, cause = self._status(latest)
        files = self.files(latest.run)
        run = files.load()
        done = len(files.done(run.step)) if run and run.step else 0
        if status == "finished" and (body := files.read(f"{files.root}report.json")):
            report = REPORT.validate_json(body)
        else:
            report = total(files.reports()) if with_report else Report()
        return Progressed(latest, status, cause, run, done, report)

    def _status(self, latest: LatestRun) -> tuple[Status, str | None]:
        if latest.finished_at is not None:
            return "finished", None
        execution = self._execution(latest)
        if execution is None:
            age = datetime.now(UTC).timestamp() - latest.begun_at / 1000
            return ("running", None) if age < SECONDS_TO_START else ("failed", "it was never started")
        if execution["status"] == "RUNNING":
            return "running", None
        described = self.stack.client("stepfunctions").describe_execution(
            executionArn=execution["executionArn"]
        )
        return "failed", described.get("cause") or described.get("error") or execution["status"].lower()

    def _execution(self, latest: LatestRun) -> dict[str, Any] | None:
        """Return the latest execution of a rebuild; None if there is none."""
        pages = self.stack.client("stepfunctions").get_paginator("list_executions")
        for page in pages.paginate(stateMachineArn=self.machine):
            # The latest comes first.
            for execution in page["executions"]:
                if execution["name"].startswith(latest.run):
                    found: dict[str, Any] = execution
                    return found
        return None


def _wait(rebuilds: Rebuilds, found: Progressed) -> None:
    """Show how far a rebuild is until it ends or fails."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("beginning", total=None)
        try:
            while found.status == "running":
                time.sleep(POLL_SECONDS)
                found = rebuilds.status()
                if found.run and found.run.step:
                    step = found.run.step
                    progress.update(
                        task,
                        description=f"{STEPS[step.kind]}, round {step.round}",
                        total=found.run.items,
                        completed=found.done,
                    )
        except KeyboardInterrupt:
            click.echo(f"It goes on. `{command()} rebuild --status` shows how far it is.", err=True)


def _print(found: Progressed) -> None:
    click.echo(f"rebuild {found.latest.run} of the {found.latest.colour} generation: {found.status}")
    if found.cause:
        click.echo(f"  {found.cause}")
        click.echo(f"  When the cause is mended, go on with `{command()} rebuild --resume`.")
    if found.status == "running" and found.run and found.run.step:
        step = found.run.step
        click.echo(f"  {STEPS[step.kind]}, round {step.round}: {found.done:,} of {found.run.items:,} parts")
    report = found.report
    click.echo(
        f"  {report.lines:,} lines of {report.objects:,} objects, {report.learners:,} learners; "
        f"{report.applied:,} events applied, {report.duplicates:,} repeated, {report.erased:,} dropped"
    )
    click.echo(f"  taken along: {report.awards:,} awards, {report.tombstones:,} tombstones")
    for code, count in report.refused.items():
        click.echo(f"  refused: {count:7,}  {code}")
    _list("bad lines", report.bad_lines, report.bad)
    _list("objects gone", report.objects_gone, report.gone)
    _list("learners not folded", report.learners_in_trouble, report.troubled)
    _list("learners to refold", len(report.started_again), report.started_again)


def _list(name: str, count: int, found: tuple[str, ...]) -> None:
    if count:
        click.echo(f"  {name}: {count:,}")
        for one in found[:MAX_LISTED]:
            click.echo(f"    {one}")
