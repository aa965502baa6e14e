"""Why a worker cannot start here: sent to the caller, which raises it as BadInput."""

from __future__ import annotations


class Refused(Exception):
    """`missing`: what this machine does not offer; `remedy`: how to get it."""

    def __init__(self, missing: str, remedy: str) -> None:
        self.missing, self.remedy = missing, remedy
        super().__init__(f"{missing}; {remedy}")
