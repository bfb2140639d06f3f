"""Radios: each owns an antenna and its airtime, and does not know what a lock is."""
