"""Side by side with the others: what one event costs, in the relay and in whoever else could do its job.

`python -m benchmarks` measures; `benchmarks.soak`, `benchmarks.burst` and `benchmarks.startup` answer one question
each about our relay alone. Nothing here is imported by the daemon.
"""
