"""Write docs/parameters.md: the template's parameters and outputs, with the environment of `make lint`."""

from collections.abc import Iterable, Mapping
from typing import Any

import click
import yaml

from cli.stack import ROOT

DOCUMENT = ROOT / "docs" / "parameters.md"
_PAGE = """\
# Parameters and outputs

`make schemas` writes this page from `template.yaml`. [Operations](operations.md#deployment-on-aws) says which
parameters decide the most, and [deploying](deploy.md#4-deploy) where to set them.

## Parameters

{parameters}

## Outputs

Commands read them with `--stack-name NAME`. `streakline env` prints those that apps need.

{outputs}
"""


class _Loader(yaml.SafeLoader):
    """Reads a template without its short forms: neither parameters nor descriptions have any."""


_Loader.add_multi_constructor("!", lambda *_: None)


def page(template: Mapping[str, Any]) -> str:
    """Return the page about a template's parameters and outputs."""
    parameters = (
        (f"`{name}`", _code(one["Default"]), values(one), one["Description"])
        for name, one in template["Parameters"].items()
    )
    outputs = ((f"`{name}`", one["Description"]) for name, one in template["Outputs"].items())
    return _PAGE.format(
        parameters=_table(("parameter", "default", "values", "what it decides"), parameters),
        outputs=_table(("output", "what it is"), outputs),
    )


def values(parameter: Mapping[str, Any]) -> str:
    """Return which values a parameter may have, in words."""
    match parameter:
        case {"AllowedValues": allowed}:
            return ", ".join(_code(value) for value in allowed)
        case {"ConstraintDescription": text}:
            return str(text).removeprefix("must be ")
        case {"MinValue": least, "MaxValue": most}:
            return f"{least:,} to {most:,}"
        case {"MinValue": least}:
            return f"at least {least:,}"
        case _:
            return "any text"


def _code(value: Any) -> str:
    return f"`{value}`" if value != "" else "empty"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [[*head], *([_cell(cell) for cell in row] for row in rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def written() -> str:
    """Return the page about template.yaml."""
    template: dict[str, Any] = _Loader((ROOT / "template.yaml").read_text("utf-8")).get_single_data()
    return page(template)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if the page is not up to date.")
def main(check: bool) -> None:
    """Write docs/parameters.md from template.yaml."""
    if not check:
        DOCUMENT.write_text(written(), encoding="utf-8")
    elif not DOCUMENT.exists() or DOCUMENT.read_text("utf-8") != written():
        raise click.ClickException(f"{DOCUMENT.name} differs from the template; run `make schemas`")


if __name__ == "__main__":
    main()
