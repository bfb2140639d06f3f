"""The other end of the contract: a reference cloud, and a broker of its own to meet at.

It shares the message models and topic names with the gateway, and no decision code.
"""
