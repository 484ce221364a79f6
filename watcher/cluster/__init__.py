"""Divides the endpoints of one table among several daemons."""
