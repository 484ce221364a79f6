"""What the daemon shows of itself to operators: log lines of libraries."""
