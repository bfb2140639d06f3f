"""The figures the project promises, measured on the machine at hand against a bare program.

Here: what is measured and how. Not here: what is asserted in tests, which never look at a clock.
"""
