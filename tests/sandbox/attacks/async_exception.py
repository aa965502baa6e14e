"""Raise an exception in the main thread from another one, outside its own code."""

import ctypes
import threading
import time

main = threading.get_ident()


def strike():
    while True:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(main), ctypes.py_object(SystemExit))
        time.sleep(0.001)


threading.Thread(target=strike, daemon=True).start()


def double(n):
    return None
