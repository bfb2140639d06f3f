"""What is right in a simulated building, by the truth alone. See `tests.simulation.judge`."""
