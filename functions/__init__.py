"""The imperative shell: one module per Lambda function, around the pure `domain`."""
