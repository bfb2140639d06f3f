"""Simulated radios, locks and cloud that the gateway is rehearsed against."""
