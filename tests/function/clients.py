#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# function_clients.py PORT - many clients of rmmap function at once, slow ones, and such as do
# not speak HTTP. Standard library only. The server has tests/function/handler.c, --arrival 10,
# --queue 256 and one call at a time.
import http.client
import json
import socket
import sys
import threading
import time

PORT = int(sys.argv[1])
EVENT = {'ce-specversion': '1.0', 'ce-id': '1', 'ce-source': '/clients'}
failures = []


def check(good, what):
    if not good:
        failures.append(what)
        print('failed:', what, file=sys.stderr)


def post(headers, body, timeout=200):
    connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=timeout)
    try:
        connection.request('POST', '/', body=body, headers=headers)
        response = connection.getresponse()
        return response.status, dict((k.lower(), v) for k, v in response.getheaders()), response.read()
    finally:
        connection.close()


def binary(kind, body=b'', **more):
    return post(dict(EVENT, **{'ce-type': kind}, **more), body)


def structured(kind, **more):
    event = dict(specversion='1.0', id='1', source='/clients', type=kind, **more)
    return post({'Content-Type': 'application/cloudevents+json'}, json.dumps(event).encode())


def one_of_many(number, results):
    text = 'client %d' % number
    if number % 2:
        status, headers, body = binary('echo', text.encode(), **{'Content-Type': 'text/plain'})
        results[number] = status == 200 and body == text.encode()
    else:
        status, headers, body = structured('echo', data=text, datacontenttype='text/plain')
        results[number] = status == 200 and json.loads(body)['data'] == text


def many(count):
    results = {}
    threads = [threading.Thread(target=one_of_many, args=(i, results)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    good = sum(1 for i in range(count) if results.get(i))
    check(good == count, '%d of %d at once were served' % (good, count))


def connect():
    return socket.create_connection(('127.0.0.1', PORT), timeout=200)


def closed(s):
    """Does the other end hang up, and when it answers before, with what?"""
    got = b''
    try:
        while True:
            piece = s.recv(65536)
            if not piece:
                return got
            got += piece
    except ConnectionError:
        return got
    except socket.timeout:
        return None
    finally:
        s.close()


def begun_and_left(count):
    """Clients that stop in the middle of headers or body; others must not notice."""
    slow = []
    for i in range(count):
        s = connect()
        if i % 3 == 0:
            s.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nce-sp')
        elif i % 3 == 1:
            s.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc')
        slow.append(s)
    return slow


def drip(s, stop):
    try:
        while not stop.is_set():
            s.sendall(b'x')
            time.sleep(0.2)
    except OSError:
        pass


def slow_clients():
    slow = begun_and_left(100)
    stop = threading.Event()
    dripping = connect()
    dripping.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nce-x: ')
    thread = threading.Thread(target=drip, args=(dripping, stop))
    thread.start()
    many(20)
    # all of them are hung up on, the one that is never idle too
    for s in slow:
        check(closed(s) is not None, 'a slow client is hung up on')
    check(closed(dripping) is not None, 'a dripping client is hung up on')
    stop.set()
    thread.join()


def garbage():
    first = b'POST / HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /t\r\n' \
            b'ce-type: echo\r\nContent-Length: 2\r\n\r\nhi'
    s = connect()
    s.sendall(first + first + b'\x00\xff garbage \r\n\r\n\r\n')
    got = closed(s)
    check(got is not None and got.count(b'HTTP/1.1 200') == 2, 'two pipelined events, then garbage')
    for text in (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + bytes(range(256)),
                 b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
                 b'GET\r\n\r\n', b'\r\n' * 5000, b'A' * 300000,
                 b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
                 b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n',
                 b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
                 b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx',
                 b'POST / HTTP/1.1\r\nHost: x\r\n' + b'ce-a: b\r\n' * 3000 + b'\r\n'):
        s = connect()
        try:
            s.sendall(text)
        except ConnectionError:
            pass
        got = closed(s)
        check(got is not None and b' 200 ' not in got[:20], 'no HTTP: %r' % text[:30])
    many(5)


def framing():
    """Where a body ends must be clear to all: one answer, nothing of the rest is taken for a request."""
    event = b'Host: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /t\r\nce-type: echo\r\n'
    second = b'POST / HTTP/1.1\r\n' + event + b'Content-Length: 2\r\n\r\nhi'
    chunk = b'3\r\nabc\r\n0\r\n\r\n'
    for version, headers, body, wanted in (
            (b'1.1', b'Content-Length: 3\r\nTransfer-Encoding: chunked\r\n', chunk, b'400'),
            (b'1.1', b'Transfer-Encoding: chunked\r\nContent-Length: 13\r\n', chunk, b'400'),
            (b'1.1', b'transfer-encoding: Chunked\r\ncontent-length: 0\r\n', chunk, b'400'),
            (b'1.1', b'Content-Length: 3\r\nContent-Length: 13\r\n', chunk, b'400'),
            (b'1.1', b'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', chunk, b'400'),
            (b'1.0', b'Transfer-Encoding: chunked\r\n', chunk, b'400'),
            (b'1.1', b'Transfer-Encoding: gzip, chunked\r\n', chunk, b'501'),
            (b'1.1', b'Transfer-Encoding: identity\r\n', chunk, b'501')):
        s = connect()
        try:
            s.sendall(b'POST / HTTP/' + version + b'\r\n' + event + headers + b'\r\n' + body + second)
        except ConnectionError:
            pass
        got = closed(s)
        check(got is not None and got.startswith(b'HTTP/1.') and got[9:12] == wanted and
              got.count(b'HTTP/1.') == 1, '%r: %r' % (headers, got and got[:60]))
    s = connect()
    s.sendall(b'POST / HTTP/1.1\r\n' + event + b'Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n' + chunk)
    got = closed(s)
    check(got is not None and got[9:12] == b'200' and got.endswith(b'abc'), 'chunked alone: %r' % got)
    many(5)


def gone_before_the_answer():
    """Its publication must not stay: nobody has the handle."""
    for _ in range(5):
        s = connect()
        s.sendall(b'POST / HTTP/1.1\r\nHost: x\r\nce-specversion: 1.0\r\nce-id: 1\r\nce-source: /t\r\n'
                  b'ce-type: slow\r\nContent-Length: 3\r\n\r\n100')
        s.close()
    many(5)


def shapes():
    """JSON that is deep, wide or long is refused or taken, and never takes the server down."""
    head = '{"specversion":"1.0","id":"1","source":"/t","type":"none","data":'
    content = {'Content-Type': 'application/cloudevents+json'}
    for data, wanted in (('[' * 100000 + ']' * 100000, (400,)), ('[' * 500000, (400,)),
                         ('[' + '1,' * 400000 + '1]', (204, 413)), ('"' + '\\u0041' * 100000 + '"', (204,)),
                         ('[' * 900 + ']' * 900, (204,)), ('{"a":' * 900 + '1' + '}' * 900, (204,))):
        status, _, _ = post(content, (head + data + '}').encode())
        check(status in wanted, '%s: %d' % (data[:20], status))
    many_members = ','.join('"a%d":null' % i for i in range(60000))
    status, _, _ = post(content, ('{%s}' % many_members).encode())
    check(status == 400, 'an object of 60,000 members: %d' % status)
    status, _, _ = binary('none', **{'ce-x%d' % i: '1' for i in range(70)})
    check(status == 400, '70 extensions: %d' % status)


many(100)
garbage()
framing()
gone_before_the_answer()
shapes()
slow_clients()
many(100)
status, _, body = binary('spread')
check(body == b'1', 'one call at a time: %r' % body)
sys.exit(1 if failures else 0)
