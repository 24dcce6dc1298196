"""A worker farm on any number of hosts. On each: HOLDFAST_URL=tcp://SERVER:4653 farm.py work
The jobs and their results:                       HOLDFAST_URL=tcp://SERVER:4653 farm.py run 1000"""
import sys

import holdfast


def largest_factor(n):
    factor = 2
    while factor * factor <= n:
        n, factor = (n // factor, factor) if n % factor == 0 else (n, factor + 1)
    return n


manager = holdfast.connect()
jobs, results = manager.Queue(name="farm.jobs"), manager.dict(name="farm.results")

if sys.argv[1] == "work":
    while True:
        with jobs.reserve() as job:  # of a worker that is killed, the job goes to another one
            results[job.value] = largest_factor(job.value)
else:
    numbers = range(10**12, 10**12 + int(sys.argv[2]))
    results.clear()
    jobs.put_many(numbers)
    jobs.join()
    done = results.copy()
    print(len(done), "results, the largest:", max(done.values()))
