"""Planted bugs: patches on copies of the product, each of which the simulation must find.

Here: the bugs (`catalogue`), planting one (`plant`) and hunting them all (`__main__`). Not here:
any switch in the product, which knows nothing of this.
"""
