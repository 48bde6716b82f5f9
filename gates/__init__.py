"""Checks of the template as CloudFormation gets it: `python -m gates`."""
