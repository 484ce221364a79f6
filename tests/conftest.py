"""What every test may ask for: emulators of AWS, and fresh tables in one of them; and what all tests share."""

from functools import cache

from hypothesis import HealthCheck, settings

from watcher import sessions

pytest_plugins = ["tests.edge.emulators", "tests.dynamodb"]

# How long an example takes says nothing on a busy machine.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# A process reads botocore's models once, however many daemons its tests run.
sessions.JsonModels = cache(sessions.JsonModels)
