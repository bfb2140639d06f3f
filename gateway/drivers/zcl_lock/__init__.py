"""Zigbee door locks: ZCL Door Lock cluster 0x0101, with Power Configuration, Alarms and Time."""
