"""docs/security.md against the template: what each role may do."""

import re

from cli.stack import ROOT
from gates.checks import transformed
from gates.roles import roles, table


def test_the_roles_of_the_document_are_those_of_the_template() -> None:
    document = (ROOT / "docs" / "security.md").read_text()
    [found] = re.findall(r"<!-- roles -->\n(.*?)\n<!-- end -->", document, re.DOTALL)
    assert found == table(transformed()), "run python -m gates.roles, and copy its table"


def test_each_function_has_a_role_of_its_own() -> None:
    found = {
        name: one["Properties"]["Role"]
        for name, one in transformed()["Resources"].items()
        if one["Type"] == "AWS::Lambda::Function"
    }
    assert found == {name: {"Fn::GetAtt": [name.replace("Function", "Role"), "Arn"]} for name in found}


def test_no_role_may_change_rights_and_none_may_do_everything_on_anything() -> None:
    grants = [grant for _, _, grants in roles(transformed()) for grant in grants]
    assert len(grants) > 40
    for actions, resources in grants:
        assert not actions.startswith(("iam:", "sts:", "kms:"))
        assert "*" not in actions
        # These two know no resources to limit them to.
        assert resources != "anything" or actions in ("dynamodb: ListStreams", "cloudwatch: DescribeAlarms")
