"""Make itself dumpable, raise the limit and crash: a core file, or the host's crash handler."""

import ctypes
import os
import resource
import signal

ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
try:
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
except (OSError, ValueError):
    pass
os.kill(os.getpid(), signal.SIGQUIT)
