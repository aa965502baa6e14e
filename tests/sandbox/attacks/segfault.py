"""Crash the interpreter."""

import ctypes


def double(n):
    return ctypes.string_at(0)
