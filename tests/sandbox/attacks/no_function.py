"""Define nothing."""

pass
