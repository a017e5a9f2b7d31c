"""Random operations on two databases at once, and what none of them may lead to."""
