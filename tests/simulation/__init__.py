"""A building in a box: the product's own core in virtual time, judged by truth it cannot see."""
