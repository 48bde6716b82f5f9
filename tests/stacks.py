"""A template as CloudFormation deploys it with some parameters: its functions applied."""

import re
from collections.abc import Mapping
from typing import Any


def defaults(template: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters' defaults as CloudFormation passes them on: as strings."""
    return {name: str(one.get("Default", "")) for name, one in template["Parameters"].items()}


def resolved(template: Mapping[str, Any], value: Any, parameters: Mapping[str, str]) -> Any:
    """Return a value of the template with intrinsic functions applied, given all parameters.

    A resource, or an attribute of it, becomes its name in angle brackets, unless `parameters` has a value for
    it. The template's own values are its parameters, and there are no others that could change it.
    """

    def of(inner: Any) -> Any:
        return resolved(template, inner, parameters)

    match value:
        case {"Ref": str(name)}:
            return parameters.get(name, f"<{name}>")
        case {"Fn::GetAtt": [name, attribute]}:
            return parameters.get(f"{name}.{attribute}", f"<{name}.{attribute}>")
        case {"Fn::Sub": [text, names]}:
            return _substituted(text, {**parameters, **{name: of(one) for name, one in names.items()}})
        case {"Fn::Sub": str(text)}:
            return _substituted(text, parameters)
        case {"Fn::If": [condition, then, otherwise]}:
            return of(then if of(template["Conditions"][condition]) else otherwise)
        case {"Condition": str(condition)}:
            return of(template["Conditions"][condition])
        case {"Fn::Equals": [left, right]}:
            return str(of(left)) == str(of(right))
        case {"Fn::Not": [inner]}:
            return not of(inner)
        case {"Fn::And": parts}:
            return all(of(part) for part in parts)
        case {"Fn::Or": parts}:
            return any(of(part) for part in parts)
        case {"Fn::Join": [between, parts]}:
            listed = of(parts)
            return between.join(map(str, listed)) if isinstance(listed, list) else str(listed)
        case {"Fn::Split": [between, text]}:
            return of(text).split(between)
        case {"Fn::Select": [number, parts]}:
            listed = of(parts)
            return listed[int(number)] if int(number) < len(listed) else ""
        case dict():
            assert not [name for name in value if name.startswith("Fn::")], value
            members = {name: of(inner) for name, inner in value.items()}
            return {name: inner for name, inner in members.items() if inner != "<AWS::NoValue>"}
        case list():
            return [one for one in map(of, value) if one != "<AWS::NoValue>"]
        case _:
            return value


def _substituted(text: str, values: Mapping[str, Any]) -> str:
    return re.sub(r"\$\{([\w.:]+)\}", lambda found: str(values.get(found[1], f"<{found[1]}>")), text)


def resources_of(template: Mapping[str, Any], parameters: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the resources that CloudFormation makes, by logical id, given all parameters.

    Each has its `Type` and its resolved `Properties`.
    """
    return {
        name: {
            "Type": resource["Type"],
            "Properties": resolved(template, resource.get("Properties", {}), parameters),
        }
        for name, resource in template["Resources"].items()
        if "Condition" not in resource or resolved(template, {"Condition": resource["Condition"]}, parameters)
    }
