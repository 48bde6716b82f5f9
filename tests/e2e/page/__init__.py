"""The dashboard's page in headless Chromium, on the deployed stack."""
