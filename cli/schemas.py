"""Writes events/schemas: the JSON Schemas of what goes into Streakline and what comes out.

    python -m cli.schemas

They are made from the models, and a test holds them together.
"""

import json

from pydantic import BaseModel

from cli.stack import ROOT
from domain.announcements import DETAIL_TYPES
from domain.interaction import InteractionV1

SCHEMAS = ROOT / "events" / "schemas"
MODELS: dict[str, type[BaseModel]] = {
    "interaction.recorded": InteractionV1,
    **{name: model for model, name in DETAIL_TYPES.items()},
}


def schema(model: type[BaseModel]) -> str:
    """The JSON Schema of a model, as its file has it."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write them all."""
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for name, model in MODELS.items():
        (SCHEMAS / f"{name}.v1.json").write_text(schema(model), encoding="utf-8")


if __name__ == "__main__":
    main()
