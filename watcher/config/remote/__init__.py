"""Reads the configuration from AWS: a parameter of SSM, an object of S3, a profile of AppConfig.

`address` says what a place is called, `source` reads it with the ambient credentials, and one file for each service
says what to call.
"""
