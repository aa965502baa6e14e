"""Runs an event loop."""

import asyncio


async def work(n):
    await asyncio.sleep(0)
    return n


def double(n):
    async def both():
        return sum(await asyncio.gather(work(n), work(n)))

    return asyncio.run(both())
