"""August and Yale (Access) over Bluetooth, with the offline key from the vendor's account."""
