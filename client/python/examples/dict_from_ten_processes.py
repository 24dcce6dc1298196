"""A dict that ten processes fill."""
from holdfast import Manager, Process


def square(d, i):
    d[i] = i * i


if __name__ == '__main__':
    manager = Manager()
    d = manager.dict()
    processes = [Process(target=square, args=(d, i)) for i in range(10)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    print(dict(sorted(d.items())))
