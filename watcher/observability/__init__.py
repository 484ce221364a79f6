"""What the daemon reports about itself to operators: log records of libraries, and spans."""
