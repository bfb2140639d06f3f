"""The firmware model: what a lock is, whatever radio it has."""
