"""What time it is in this house, how far that may be believed, and who said so.

`host` is all that is known of the machine's time, `clock` the time every other part lives by,
`keeper` decides whom it follows (by the rules of `domain.timetrust`) and remembers it.
"""
