"""A throw-away stack on a real AWS account, checked for what only AWS has."""
