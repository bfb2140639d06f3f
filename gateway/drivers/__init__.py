"""Drivers: each knows one family of devices and turns decisions into conversations."""
