"""A pipe: the child sends, the parent receives, until the child has closed its end."""
from holdfast import Pipe, Process


def send_all(conn):
    conn.send([42, None, 'hello'])
    conn.send('bye')
    conn.close()


if __name__ == '__main__':
    parent_conn, child_conn = Pipe()
    p = Process(target=send_all, args=(child_conn,))
    p.start()
    child_conn.close()
    try:
        while True:
            print(parent_conn.recv())
    except EOFError:
        print('end of file')
    p.join()
