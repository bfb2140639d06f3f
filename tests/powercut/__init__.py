"""Power cuts for real: `python -m tests.powercut`. Long runs, outside the ordinary tests."""
