"""A generated next release: a second copy of `domain` and `functions` that knows more than this one.

It has one more counter, field of a content, field of an award and rule, all generated from the source of
this release, and it writes attributes of its own to states, tracks, days, digests and zones. A change that no
longer fits the source raises an error.
"""

import ast
import sys
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).parents[2]
PREFIX = "next_"
PACKAGES = ("domain", "functions")

COUNTER, MEASURE = "minutes", "i.seconds // 60"
"""The new counter, and what an interaction adds to it."""
RULE = 'Achievement("minutes-60", "time", "One Hour", "Study for 60 minutes", "⏱️", 5, sum_of("minutes"), 60)'
CONTENT_FIELD = "stars: int | None = None"
AWARD_FIELD = 'level: str = "bronze"'
ATTRIBUTE = "marked"
"""The new attribute of states, tracks, days and digests: how many interactions the next release applied."""
CATALOG_ATTRIBUTE = "reviewed"
"""The new attribute of the catalog's head and parts."""


class NoLongerFits(Exception):
    """A change that makes the next release does not fit the source any more."""


@cache
def next_release() -> dict[str, ModuleType]:
    """Return the modules of the next release by their names in this one, such as `functions.store`."""
    sys.meta_path.insert(0, _Finder())
    modules = {
        name: import_module(PREFIX + name)
        for name in (
            "domain.fold",
            "domain.tally",
            "functions.catalog",
            "functions.catalog_items",
            "functions.items",
            "functions.project",
            "functions.quarantine",
            "functions.store",
        )
    }
    project, catalog = modules["functions.project"], modules["functions.catalog"]
    vars(project)["fold"] = _marking(project.fold)
    catalog_items = modules["functions.catalog_items"]
    vars(catalog_items)["update_of"] = _reviewing(catalog_items.update_of)
    vars(catalog)["assign"] = _with_stars(catalog.assign)
    return modules


# -- the copy --------------------------------------------------------------------------------------


class _Finder(MetaPathFinder):
    """Finds the modules of the next release: `next_domain.fold` is made from `domain/fold.py`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        package, _, module = fullname.removeprefix(PREFIX).partition(".")
        if not fullname.startswith(PREFIX) or package not in PACKAGES:
            return None
        file = ROOT / package / f"{module or '__init__'}.py"
        return spec_from_file_location(
            fullname, file, loader=_Copier(file), submodule_search_locations=None if module else []
        )


class _Copier(Loader):
    """Makes a module of the next release from the source of one of this release."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.file.read_text("utf-8"))
        change = CHANGES.get(module.__name__.removeprefix(PREFIX))
        if change:
            change(tree)
        _rename_imports(tree)
        exec(compile(ast.fix_missing_locations(tree), str(self.file), "exec"), vars(module))


def _rename_imports(tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            node.module = PREFIX + node.module
        elif isinstance(node, ast.Import) and any(n.name.split(".")[0] in PACKAGES for n in node.names):
            raise NoLongerFits(f"{ast.unparse(node)!r} is not written as `from … import …`")


# -- what is generated into it ---------------------------------------------------------------------


def _only[T](what: str, found: Iterable[T]) -> T:
    all_found = list(found)
    if len(all_found) != 1:
        raise NoLongerFits(f"the source has {len(all_found)} of {what}")
    return all_found[0]


def _fields(tree: ast.Module, class_name: str) -> list[ast.stmt]:
    """Return the statements of a class, to be changed."""
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == class_name)
    return _only(f"class {class_name}", classes).body


def _index(fields: list[ast.stmt], name: str) -> int:
    """Return the index of a field among the statements of its class."""
    return _only(
        f"field {name}",
        (
            n
            for n, field in enumerate(fields)
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
            if field.target.id == name
        ),
    )


def _add_counter(tree: ast.Module) -> None:
    """Add a counter after the last one, declared as the last one is."""
    fields = _fields(tree, "Tally")
    end = _index(fields, "unknown")
    last = [field for field in fields[:end] if isinstance(field, ast.AnnAssign)][-1]
    counter = deepcopy(last)
    counter.target = ast.Name(COUNTER, ast.Store())
    measure = _only("lambda of a counter", (n for n in ast.walk(counter) if isinstance(n, ast.Lambda)))
    measure.body = ast.parse(MEASURE, mode="eval").body
    fields.insert(end, counter)


def _add_content_field(tree: ast.Module) -> None:
    fields = _fields(tree, "Content")
    fields.insert(_index(fields, "unknown"), *ast.parse(CONTENT_FIELD).body)


def _add_rule_and_award_field(tree: ast.Module) -> None:
    assigned = _only(
        "ACHIEVEMENTS",
        (
            node
            for node in tree.body
            if isinstance(node, ast.Assign | ast.AnnAssign)
            for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
            if isinstance(target, ast.Name) and target.id == "ACHIEVEMENTS"
        ),
    )
    rules = _only(
        "tuple of rules",
        (
            node
            for node in ast.walk(assigned)
            if isinstance(node, ast.Tuple) and all(isinstance(rule, ast.Call) for rule in node.elts)
        ),
    )
    rules.elts.append(ast.parse(RULE, mode="eval").body)
    fields = _fields(tree, "Award")
    if not isinstance(fields[-1], ast.AnnAssign):
        raise NoLongerFits("the last statement of class Award is not a field")
    fields += ast.parse(AWARD_FIELD).body


CHANGES: dict[str, Callable[[ast.Module], None]] = {
    "domain.tally": _add_counter,
    "domain.catalog": _add_content_field,
    "domain.achievements": _add_rule_and_award_field,
}


# -- what it writes besides ------------------------------------------------------------------------


def _marking(fold: Callable[..., Any]) -> Callable[..., Any]:
    """Return the fold of a release that counts its own interactions in each item, and marks its zones.

    To this release, the attributes are among those that it does not know. So are they to the copied codec,
    which therefore stores them as a release would that knows them.
    """

    def marked(learner: Any, buckets: Any, interactions: Any, *rest: Any) -> Any:
        change = fold(learner, buckets, interactions, *rest)
        if not change.applied:
            return change
        after = change.learner
        days, applied, tracks = dict(buckets.days), dict(buckets.applied), learner.tracks
        if learner.latest:
            days[learner.latest.number] = learner.latest
        if learner.applied:
            applied[learner.applied.number] = learner.applied

        def day(new: Any) -> Any:
            old = days.get(new.number)
            return _counted(new, _interactions(new) - _interactions(old))

        def digests(new: Any) -> Any:
            old = applied.get(new.number)
            return _counted(new, len(new.digests) - (len(old.digests) if old else 0))

        def track(code: str, new: Any) -> Any:
            before = tracks[code].tallies.total.interactions if code in tracks else 0
            return _counted(new, new.tallies.total.interactions - before)

        after = _counted(after, change.applied)._replace(
            tracks={code: track(code, new) for code, new in after.tracks.items()},
            latest=day(after.latest) if after.latest else None,
            applied=digests(after.applied),
            named_zone=_with_mark(learner.named_zone, after.named_zone),
            plain_offset=_with_mark(learner.plain_offset, after.plain_offset),
        )
        return change._replace(
            learner=after,
            days=tuple(map(day, change.days)),
            digests=tuple(map(digests, change.digests)),
        )

    return marked


def _interactions(day: Any) -> int:
    return sum(breakdown.total.interactions for breakdown in day.tallies.values()) if day else 0


def _counted(part: Any, more: int) -> Any:
    if not more:
        return part
    before = int(part.unknown.get(ATTRIBUTE, {"N": "0"})["N"])
    return part._replace(unknown={**part.unknown, ATTRIBUTE: {"N": str(before + more)}})


def _with_mark(before: Any, after: Any) -> Any:
    return after if after == before else after._replace(unknown=(after.at % 997, "next"))


def _reviewing(update_of: Callable[..., Any]) -> Callable[..., Any]:
    """Return the update of a catalog's item by a release that adds an attribute to it."""
    return lambda item, *condition: update_of({**item, CATALOG_ATTRIBUTE: {"BOOL": True}}, *condition)


def _with_stars(assign: Callable[..., Any]) -> Callable[..., Any]:
    """Return the assignment of a release that gives each content as many stars as it has questions."""

    def assigned(certification: Any, changes: Iterable[Any], now: int) -> Any:
        changes = list(changes)
        after = assign(certification, changes, now)
        stars = {change.content_id: change.questions for change in changes if change.active}
        contents = tuple(c._replace(stars=stars.get(c.content_id, c.stars)) for c in after.contents)
        if contents == after.contents:
            return after
        return replace(certification, version=certification.version + 1, contents=contents)

    return assigned
