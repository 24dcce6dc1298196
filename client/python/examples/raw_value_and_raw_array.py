"""A number and an array without locks of their own, and a lock around both."""
from holdfast import Lock, Process, RawArray, RawValue


def change(number, numbers, lock):
    for _ in range(2500):
        with lock:
            number.value += 1
    with lock:
        if numbers[1] == 2:
            for i in range(len(numbers)):
                numbers[i] *= numbers[i]


if __name__ == '__main__':
    number = RawValue('i', 0)
    numbers = RawArray('i', [1, 2, 3, 4, 5])
    lock = Lock()
    processes = [Process(target=change, args=(number, numbers, lock)) for _ in range(4)]
    for p in processes:
        p.start()
    for p in processes:
        p.join()
    print('Shared value:', number.value)
    print('Shared array:', list(numbers))
