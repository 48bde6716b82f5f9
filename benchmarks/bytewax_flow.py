"""Bytewax with a plain fold, beside the consumer, in the same interpreter.

    python -m benchmarks.bytewax_flow

Prints microseconds of CPU an interaction as JSON. It needs Bytewax, which has no wheel for Python 3.13.
"""

import json
import platform
from collections import defaultdict
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main

from benchmarks.figures import cpu_seconds
from benchmarks.histories import fixed, statistics
from benchmarks.processing import INTERACTIONS, PlainInteraction, ours, plain_fold

BATCH = 500


def flow(payloads: list[bytes], out: list[Any]) -> Dataflow:
    """Return a flow that parses payloads and folds them by learner."""
    found = Dataflow("plain")
    source = op.input("payloads", found, TestingSource(payloads, batch_size=BATCH))
    parsed = op.map("parse", source, PlainInteraction.model_validate_json)
    keyed = op.key_on("learner", parsed, lambda interaction: interaction.user_id)

    def add(state: Any, interaction: PlainInteraction) -> tuple[Any, int]:
        state = state if state is not None else {interaction.user_id: defaultdict(int)}
        plain_fold(state, interaction)
        return state, 1

    folded = op.stateful_map("fold", keyed, add)
    op.output("out", folded, TestingSink(out))
    return found


def main() -> None:
    """Measure both in turns."""
    history = statistics()
    interactions = history.interactions[:INTERACTIONS]
    batches = list(fixed(interactions, BATCH))
    payloads = [json.dumps(fields).encode() for fields in interactions]
    seconds: dict[str, list[float]] = {"streakline": [], "bytewax": []}
    for _ in range(3):
        work = ours(history, batches)
        seconds["streakline"].append(cpu_seconds(work))
        seconds["bytewax"].append(cpu_seconds(lambda: run_main(flow(payloads, []))))
    found: dict[str, object] = {name: 1e6 * min(took) / len(interactions) for name, took in seconds.items()}
    print(json.dumps(found | {"python": platform.python_version()}))


if __name__ == "__main__":
    main()
