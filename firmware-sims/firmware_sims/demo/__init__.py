"""The main job, shown: a building of simulated doors, a broker, a cloud, and the daemon.

Every step is checked against what the lock holds and what the cloud received, never against what
the gateway believes. `python -m firmware_sims.demo` exits 0 only if every step held.
"""
