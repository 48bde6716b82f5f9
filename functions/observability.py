"""The logger and the metrics of all functions. Lambda itself records the traces (template.yaml)."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics()
