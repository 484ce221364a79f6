"""A simulated AWS: its sync-status APIs on loopback, over their real wire protocol, driven by a scenario.

simulator = Simulator(World(load_scenario(text, "scenario.yaml")))     # or generate(1): a random scenario from a seed
url = await simulator.start()                                          # the endpoint URL for a client
await simulator.stop()
"""
