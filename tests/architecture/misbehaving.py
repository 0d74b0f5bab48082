"""A module that does at its import what no module of ours may; only a test imports it."""

import socket
import threading

with socket.socket():
    pass
_thread = threading.Thread(target=int, name="busy")
_thread.start()
_thread.join()
