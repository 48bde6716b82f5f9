"""Measure how many interactions a second go from the stream into the views, on the local stack.

    make down up
    .venv/bin/python -m benchmarks.throughput LOG --format moodle [--order file]

The consumer is paused while the whole log is put into the stream. The time runs from its start until the last
record is in the views, so it does not include the emitter. Start with a fresh stack.
"""

import json
import time
from pathlib import Path

import click

from cli.content import ensure_content
from cli.emit import emit_interactions
from cli.logs import FORMATS, Format, in_order_of_time, read_log
from cli.manifest import Emitted, clear_manifest, manifest_of, read_manifest
from cli.stack import Stack, connect
from cli.wait import find


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "log_format", type=click.Choice(FORMATS), required=True)
@click.option("--order", type=click.Choice(["time", "file"]), default="time")
def main(file: Path, log_format: Format, order: str) -> None:
    """Measure the consumer over a whole log."""
    stack = connect(None, None)
    functions = stack.client("lambda")
    [mapping] = functions.list_event_source_mappings(EventSourceArn=_stream_arn(stack))["EventSourceMappings"]
    log = read_log(file, log_format)
    interactions = in_order_of_time(log.interactions) if order == "time" else log.interactions
    ensure_content(stack, log.catalog)
    manifest = manifest_of(stack)
    clear_manifest(manifest)
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    time.sleep(2)
    emit_interactions(stack, "stream", interactions, manifest)
    entries = read_manifest(manifest)
    last = entries[-1]
    begun = time.perf_counter()
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)
    while not _is_in_views(stack, last):
        time.sleep(0.25)
    seconds = time.perf_counter() - begun
    found = find(stack, entries, 600, lambda _: None)
    clear_manifest(manifest)
    print(
        json.dumps(
            {
                "order": order,
                "interactions": len(entries),
                "in_views": found.in_views,
                "missing": found.missing,
                "seconds": round(seconds, 1),
                "per_second": round(len(entries) / seconds),
            }
        )
    )


def _stream_arn(stack: Stack) -> str:
    answer = stack.client("kinesis").describe_stream_summary(StreamName=stack.outputs["StreamName"])
    return str(answer["StreamDescriptionSummary"]["StreamARN"])


def _is_in_views(stack: Stack, entry: Emitted) -> bool:
    if entry.utc_day is None:
        return True
    return entry.digest in stack.store.read_applied(entry.user_id, [entry.utc_day])[entry.utc_day]


if __name__ == "__main__":
    main()
