"""A core as a server can tell it: Debian's websocket-client, run in a thread of its own.

Usage: core.py PORT SECRET USERS-AS-JSON [--rev-a] [--fork] [--reconnect-ms N]

Reads events from standard input, one JSON object a line, and sends each on the connection that another thread (with --fork, a child process)
reads from. Connects again when TCP ends without a close frame; a close frame ends it for good, as websocket-client 1.7.0 does.
"""
import json
import os
import sys
import threading
import time
import urllib.request

import websocket

port, secret, users = int(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
flags = sys.argv[4:]
revision_a = '--rev-a' in flags
reconnect_s = int(flags[flags.index('--reconnect-ms') + 1]) / 1000 if '--reconnect-ms' in flags else 5
current = None


def say(line):
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


def connect():
    global current
    current = websocket.create_connection(f'ws://127.0.0.1:{port}/ws', header=[] if revision_a else {'auth': secret}, timeout=None)
    current.send(json.dumps({'type': 'server_connect', 'data': {'auth': secret} if revision_a else {}}))


def read():
    """Until the connection ends; says whether a close frame ended it."""
    while True:
        try:
            opcode, data = current.recv_data()
        except (websocket.WebSocketException, OSError):
            return False
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            return True
        event = json.loads(data)
        if event['type'] == 'server_connect':
            say('registered' if event['data'] else 'refused')
        elif event['type'] == 'client_connect':
            asked = event['data']
            user = users.get(asked.pop('token', None))
            asked['user'] = user or 'public'
            asked['authenticated'] = user is not None
            current.send(json.dumps({'type': 'client_connected', 'data': asked}))


def serve():
    while True:
        if read():
            say('stopped for good')
            return
        say('dropped')
        while True:
            time.sleep(reconnect_s)
            try:
                connect()
                break
            except (websocket.WebSocketException, OSError):
                continue


with urllib.request.urlopen(f'http://127.0.0.1:{port}/healthz') as probe:
    assert probe.read() == b'OK\n'
connect()
if '--fork' in flags:
    if os.fork() == 0:
        serve()
        os._exit(0)
else:
    threading.Thread(target=serve, daemon=True).start()
for line in sys.stdin:
    current.send(line.strip())
