"""Write events/schemas, the JSON Schemas of what comes in and goes out, and docs/openapi.json, the API's."""

import json

import click
from pydantic import BaseModel

from cli.stack import ROOT
from domain.announcements import DETAIL_TYPES
from domain.content_row import ContentRowV1
from domain.exam_results import ExamTakenV1
from domain.interaction import InteractionV1
from domain.retraction import InteractionRetractedV1
from functions.docs import document

SCHEMAS = ROOT / "events" / "schemas"
OPENAPI = ROOT / "docs" / "openapi.json"
MODELS: dict[str, type[BaseModel]] = {
    "interaction.recorded": InteractionV1,
    "exam.taken": ExamTakenV1,
    "interaction.retracted": InteractionRetractedV1,
    "content.metadata": ContentRowV1,
    **{name: model for model, name in DETAIL_TYPES.items()},
}


def schema(model: type[BaseModel]) -> str:
    """Return the content of a model's schema file."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **model.model_json_schema()}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def openapi() -> str:
    """Return the content of the file with the API's description."""
    return json.dumps(json.loads(document()), indent=2, ensure_ascii=False) + "\n"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file differs from its model.")
def main(check: bool) -> None:
    """Write the JSON Schemas in events/schemas, and docs/openapi.json."""
    written = {SCHEMAS / f"{name}.v1.json": schema(model) for name, model in MODELS.items()}
    written[OPENAPI] = openapi()
    if check:
        stale = [path.name for path, text in written.items() if not path.exists() or path.read_text() != text]
        if stale:
            raise click.ClickException(f"differs from its model: {', '.join(stale)}; run `make schemas`")
        return
    SCHEMAS.mkdir(parents=True, exist_ok=True)
    for path, text in written.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
