"""A queue that three processes fill, and their parent empties."""
from holdfast import Process, Queue


def greet(q, i):
    q.put('hello {} times'.format(i))


if __name__ == '__main__':
    q = Queue()
    processes = [Process(target=greet, args=(q, i)) for i in range(3)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    messages = []
    while not q.empty():
        messages.append(q.get())
    for message in sorted(messages):
        print(message)
