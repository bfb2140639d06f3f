"""The simulated Zigbee coordinator, its network, and the device firmware that speaks ZCL."""
