"""TTLock locks over Bluetooth, protocol 5.3 ("V3"), without any cloud."""
