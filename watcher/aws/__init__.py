"""Access to AWS: credentials, the errors of calls, and the rules of botocore's service models."""
