"""Reads the configuration from AWS: a parameter of SSM, an object of S3, a profile of AppConfig.

`address` parses the name of a place, `source` reads the place with the ambient credentials, and `services` has the
calls to each service.
"""
