"""What every test may ask for: emulators of AWS, and fresh tables in one of them."""

pytest_plugins = ["tests.edge.emulators", "tests.dynamodb"]
