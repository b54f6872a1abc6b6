"""What a piece of work costs, measured in a process of its own: neither what was read before it nor what the tests hold counts."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Callable
from typing import Any


def cost_of(work: Callable[[], Any]) -> tuple[Any, float, int]:
    """What it gives, the seconds of its process, and the megabytes of its peak."""
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")  # the peak begins here
    started = time.process_time()
    given = work()
    seconds = time.process_time() - started
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
    return given, seconds, peak // 1024


def apart(act: Callable[..., Any], *arguments: Any) -> Any:
    """What ``act``, a function of a module, gives in a process of its own, which has 1.5 GB of addresses."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_send, args=(there, act, arguments))
    process.start()
    there.close()
    try:
        assert here.poll(120), "it hangs"
        return here.recv()
    finally:
        process.join(5)
        process.kill()


def _send(pipe: Any, act: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1536 * 1024 * 1024,) * 2)
    pipe.send(act(*arguments))
