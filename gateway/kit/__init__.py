"""Asyncio helpers that know nothing of locks."""
