"""Waivers of the gates' findings, and the template without functions that the gates read."""

from pathlib import Path

import pytest

from gates.findings import MAX_WAIVERS, Finding, Waiver, not_waived, read_waivers
from gates.resolve import Resolver

FOUND = Finding("cfn-guard", "tables_are_encrypted", "ViewsTable", "not encrypted")
WAIVER = '[[waiver]]\ngate = "cfn-guard"\nrule = "r"\nresources = ["A"]\nreason = "{reason}"\n'


def waiver(*resources: str) -> Waiver:
    return Waiver("cfn-guard", "tables_are_encrypted", frozenset(resources), "it is a trial")


def test_each_waiver_of_the_project_has_a_reason_and_there_are_at_most_eight() -> None:
    assert 0 < len(read_waivers()) <= MAX_WAIVERS == 8


def test_a_ninth_waiver_or_one_without_a_reason_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "waivers.toml"
    file.write_text(WAIVER.format(reason="why") * 9)
    with pytest.raises(ValueError, match="9 waivers; 8 are allowed"):
        read_waivers(file)
    file.write_text(WAIVER.format(reason=" "))
    with pytest.raises(ValueError, match=r"without a reason or resources: \['r'\]"):
        read_waivers(file)


def test_a_finding_is_wrong_unless_a_waiver_names_its_rule_and_resource() -> None:
    assert not_waived([FOUND], []) == [str(FOUND)]
    assert not_waived([FOUND], [waiver("ViewsTable")]) == []
    assert not_waived([FOUND], [waiver("ControlTable")]) == [
        str(FOUND),
        "ControlTable: the waiver of tables_are_encrypted is not needed any more",
    ]


TEMPLATE = {
    "Parameters": {
        "Stage": {"Type": "String", "Default": "dev"},
        "Origins": {"Type": "CommaDelimitedList", "Default": "a,b"},
    },
    "Conditions": {
        "Live": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
        "Trial": {"Fn::Not": [{"Condition": "Live"}]},
        "Both": {"Fn::And": [{"Condition": "Live"}, {"Condition": "Trial"}]},
        "Either": {"Fn::Or": [{"Condition": "Live"}, {"Condition": "Trial"}]},
    },
    "Resources": {
        "Always": {
            "Type": "AWS::SQS::Queue",
            "Condition": "Either",
            "Properties": {
                "Origins": {"Ref": "Origins"},
                "Left": {"Fn::If": ["Live", 1, {"Ref": "AWS::NoValue"}]},
                "List": [1, {"Fn::If": ["Live", 2, {"Ref": "AWS::NoValue"}]}],
                "Text": {"Fn::Sub": ["${Stage} ${x} ${!y} ${Always.Arn}", {"x": {"Ref": "Stage"}}]},
                "Part": {"Fn::Select": [1, {"Fn::Split": ["-", "a-b"]}]},
                "Whole": {"Fn::Join": ["+", ["a", {"Fn::GetAtt": "Always.QueueName"}]]},
            },
        },
        "OnlyLive": {"Type": "AWS::S3::Bucket", "Condition": "Live"},
        "Never": {"Type": "AWS::S3::Bucket", "Condition": "Both"},
    },
}


def test_functions_and_conditions_are_replaced_by_what_a_stack_has() -> None:
    arn = "arn:aws:sqs:us-east-1:111122223333:Always"
    assert Resolver(TEMPLATE, {}).resources() == {
        "Always": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "Origins": ["a", "b"],
                "List": [1],
                "Text": f"dev dev ${{y}} {arn}",
                "Part": "b",
                "Whole": "a+Always",
            },
        }
    }
    live = Resolver(TEMPLATE, {"Stage": "prod"}).resources()
    assert live.keys() == {"Always", "OnlyLive"}
    assert (live["Always"]["Properties"]["Left"], live["Always"]["Properties"]["List"]) == (1, [1, 2])


@pytest.mark.parametrize(
    ("properties", "message"),
    [
        (
            {"A": {"Fn::GetAtt": ["Always", "Colour"]}},
            "does not know the attribute Colour of AWS::SQS::Queue",
        ),
        ({"A": {"Fn::ImportValue": "x"}}, "does not know Fn::ImportValue"),
    ],
)
def test_what_the_resolver_does_not_know_stops_it(properties: dict[str, object], message: str) -> None:
    template = {"Resources": {"Always": {"Type": "AWS::SQS::Queue", "Properties": properties}}}
    with pytest.raises(ValueError, match=message):
        Resolver(template, {}).resources()


def test_a_parameter_that_the_template_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no parameters \['Colour'\]"):
        Resolver(TEMPLATE, {"Colour": "red"})
