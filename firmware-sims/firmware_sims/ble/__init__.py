"""Simulated Bluetooth: the air, virtual controllers, devices that advertise or are spoken to."""
