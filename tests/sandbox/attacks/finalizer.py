"""Answer from finalizers and exit functions after the interpreter has been told to stop."""

import atexit
import os
import sys
import weakref


class Late:
    def __del__(self):
        os.write(3, b"\0\0\0\x0e" + b'{"value":true}')


held = Late()
weakref.finalize(held, os.write, 3, b"\0\0\0\x0e" + b'{"value":true}')
atexit.register(os._exit, 0)
sys.exit(0)
