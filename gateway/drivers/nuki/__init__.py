"""Nuki smart locks over Bluetooth: pairing, codes of the keypad, log, authorisations."""
