"""Logger and metrics, the same for all functions. Traces are Lambda's own (template.yaml)."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics()
