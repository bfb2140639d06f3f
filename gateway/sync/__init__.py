"""The cloud side: MQTT 5, the wire contract, what is accepted from it and what it is told.

Sync and scheduler never call each other; they meet in the store.
"""
