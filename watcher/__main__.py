"""`python -m watcher`, and the `watcher` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from watcher.cli import main as run_command  # noqa: PLC0415  so that a broken import is told by the last net, too

    run_command()


if __name__ == "__main__":
    main()
