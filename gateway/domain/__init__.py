"""What should be true of each device, and what to do next. Pure: stdlib only, no loop, no clock."""
