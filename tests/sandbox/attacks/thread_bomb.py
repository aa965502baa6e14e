"""Start threads without end."""

import threading
import time


def double(n):
    while True:
        threading.Thread(target=time.sleep, args=(60,)).start()
