"""`python -m tests.benchmarks [NAME…] [--quick]`: runs benchmarks and prints their tables as Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tests.benchmarks import (
    bill,
    cpu,
    delivery,
    detection,
    discovering,
    dynamodb,
    independence,
    rate,
    reloading,
    scale,
    steady,
    waiting,
    web,
)

BENCHMARKS = {
    "cpu": cpu,
    "steady": steady,
    "scale": scale,
    "discovery": discovering,
    "detection": detection,
    "rate": rate,
    "delivery": delivery,
    "waiting": waiting,
    "independence": independence,
    "http": web,
    "reload": reloading,
    "dynamodb": dynamodb,
    "bill": bill,
}
LIBRARIES = ("aiobotocore", "botocore", "boto3", "aiohttp", "asyncio-throttle", "tenacity")


def main() -> None:
    """Run what was asked for, or everything."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="What the watcher costs.")
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"any of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="only see whether it runs; the figures mean little")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(BENCHMARKS)}")
    print(machine(), flush=True)
    begun = time.monotonic()
    for name in asked.names or BENCHMARKS:
        print(f"\n{BENCHMARKS[name].bench(quick=asked.quick)}", flush=True)
    print(f"done in {time.monotonic() - begun:.0f} s", file=sys.stderr)


def machine() -> str:
    """The machine and the versions, and how busy it was before."""
    busy = f"load before {os.getloadavg()[0]:.1f}"
    versions = ", ".join(f"{library} {version(library)}" for library in LIBRARIES)
    cores = f"{len(os.sched_getaffinity(0))} cores of {_processor()}"
    return f"{cores}, {platform.system()}, Python {platform.python_version()}, {versions}; {busy}."


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


if __name__ == "__main__":
    main()
