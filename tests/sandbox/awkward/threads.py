"""Works in threads."""

import threading
from concurrent.futures import ThreadPoolExecutor


def double(n):
    found = []
    workers = [threading.Thread(target=found.append, args=(n,)) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with ThreadPoolExecutor(4) as pool:
        return sum(pool.map(int, found[:2]))
