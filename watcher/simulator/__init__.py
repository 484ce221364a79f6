"""The stand-in for AWS: its sync-status APIs on loopback, over their real wire protocol, driven by a scenario.

simulator = Simulator(load_scenario(text, "scenario.yaml"))     # or generate(1): a lively world made up from a number
url = await simulator.start()                                   # give it to a client as its endpoint URL
simulator.world.show(target, attempt(target, "FAILED", started_at=…, sha=…))      # hold a target at an answer
simulator.world.fault(target, "hang", calls=2)                  # faults: the table in `faults`
await simulator.stop()
"""

from __future__ import annotations

from watcher.simulator.faults import FAULTS, Fault
from watcher.simulator.generator import generate
from watcher.simulator.scenario import Role, Scenario, Spell, Throttle
from watcher.simulator.scenario_parser import load_scenario
from watcher.simulator.server import Call, Simulator
from watcher.simulator.timeline import Plan, Scene, Stale, Status, Subject, Timeline, Unsynced
from watcher.simulator.world import Shown, World, attempt

__all__ = [
    "FAULTS",
    "Call",
    "Fault",
    "Plan",
    "Role",
    "Scenario",
    "Scene",
    "Shown",
    "Simulator",
    "Spell",
    "Stale",
    "Status",
    "Subject",
    "Throttle",
    "Timeline",
    "Unsynced",
    "World",
    "attempt",
    "generate",
    "load_scenario",
]
