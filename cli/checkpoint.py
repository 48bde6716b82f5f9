"""Remember how far a scan of a table has got, so that an interrupted command can continue."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Checkpoint:
    """How far a scan of a table has got in each segment, so that the next run can continue."""

    path: Path
    stack: str
    """Name of the table: a checkpoint of another one is ignored."""
    after: dict[str, Any] = field(default_factory=dict)
    """By segment: the last key that was processed, or None if the segment is done."""

    @classmethod
    def load(cls, path: Path, stack: str) -> "Checkpoint":
        """Return the checkpoint of an unfinished run on this table, or a new one."""
        if path.exists() and (saved := json.loads(path.read_text()))["stack"] == stack:
            return cls(path, stack, saved["after"])
        return cls(path, stack)

    def save(self, segment: int, key: Any) -> None:
        """Record how far a segment has got."""
        self.after[str(segment)] = key
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"stack": self.stack, "after": self.after}))
