"""Print a SAM template after SAM's transform, as JSON. It runs in an environment that has SAM."""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

if __name__ == "__main__":
    template = yaml_parse(Path(sys.argv[1]).read_text())
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            # `sam build` and `sam deploy` put an address here; the transform refuses a directory.
            resource["Properties"]["CodeUri"] = "s3://bucket/code"
    transformed = Translator({}, Parser()).translate(template, {})
    transformed.pop("Transform", None)
    sys.stdout.write(json.dumps(transformed))
