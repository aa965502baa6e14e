"""Computes with fractions and decimals."""

from decimal import Decimal
from fractions import Fraction


def double(n):
    half = Fraction(1, 2)
    return int(n / half) + int(Decimal("0.0"))
