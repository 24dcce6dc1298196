"""Squares the numbers on the queue "work" into the dict "results" until it gets something else."""
import holdfast

manager = holdfast.connect()
work, results = manager.Queue(name="work"), manager.dict(name="results")
n = work.get()
while isinstance(n, int):
    results[n] = n * n
    work.task_done()
    n = work.get()
work.task_done()
