"""Breaks HTTP/2 in every way that RFC 9113 names, for `edge/foreign_http2.rs`.

    http2.py PORT

Frames are made with hyperframe and hpack, which share nothing with the edge. Each case has
a connection of its own; what has to be refused asks for /violation, which must never arrive
whole. Prints, as JSON, per case: section, name, and what went wrong, or null.
"""

import json
import socket
import struct
import sys

from hpack import Decoder, Encoder
from hyperframe.frame import Frame

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
(NO_ERROR, PROTOCOL, INTERNAL, FLOW, TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, _, CALM) = range(12)
PATIENCE_S = 10
CASES = []


def case(section):
    def keep(function):
        CASES.append((section, function.__name__.replace("_", " "), function))
        return function

    return keep


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *pair) for pair in pairs))


class Wrong(Exception):
    pass


class Connection:
    def __init__(self, *initial, begin=True):
        self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread, self.encoder, self.decoder = b"", Encoder(), Decoder()
        if begin:
            self.send(PREFACE + settings(*initial))
            self.seen_settings = dict(self.until(lambda it: it.type == SETTINGS and "ACK" not in it.flags).settings)
            self.send(frame(SETTINGS, ACK, 0))

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (ConnectionError, BrokenPipeError):
            pass  # It is seen when it is read.

    def next(self):
        """The next frame; None at the end of the connection."""
        while True:
            if len(self.unread) >= 9:
                head, length = Frame.parse_frame_header(memoryview(self.unread[:9]))
                if len(self.unread) >= 9 + length:
                    head.parse_body(memoryview(self.unread[9 : 9 + length]))
                    self.unread = self.unread[9 + length :]
                    return head
            try:
                piece = self.socket.recv(65536)
            except ConnectionError:
                return None
            except TimeoutError:
                raise Wrong("nothing came") from None
            if not piece:
                return None
            self.unread += piece

    def until(self, wanted):
        while (one := self.next()) is not None:
            if wanted(one):
                return one
        raise Wrong("the connection ended")

    def block(self, *fields, path="/violation", method="GET", pseudo=True):
        first = [(b":method", method), (b":scheme", "http"), (b":path", path), (b":authority", "a.example")]
        fields = [*(first if pseudo else []), *fields]
        to_bytes = lambda it: it if isinstance(it, bytes) else it.encode("latin-1")
        return self.encoder.encode([(to_bytes(n), to_bytes(v)) for n, v in fields])

    def ask(self, stream, *fields, flags=END_HEADERS | END_STREAM, **how):
        self.send(frame(HEADERS, flags, stream, self.block(*fields, **how)))

    def answered(self, stream, status="200"):
        """Expects an answer, and gives its body."""
        body = b""
        while (one := self.next()) is not None:
            if one.stream_id != stream and one.type != GOAWAY:
                continue
            if one.type == HEADERS:
                got = dict(self.decoder.decode(one.data))[":status"]
                if got != status:
                    raise Wrong(f"answered {got}, not {status}")
            elif one.type == DATA:
                body += one.data
            elif one.type in (RST, GOAWAY):
                raise Wrong(f"{one} instead of an answer")
            if "END_STREAM" in one.flags:
                return body
        raise Wrong("the connection ended without an answer")

    def lives(self):
        """Expects that the connection goes on."""
        self.send(frame(PING, 0, 0, b"is there"))
        self.until(lambda it: it.type == PING and it.opaque_data == b"is there")

    def ends(self, *codes):
        """Expects an error of the connection: GOAWAY and its end, or its end."""
        while (one := self.next()) is not None:
            if one.type == GOAWAY and one.error_code not in (*codes, NO_ERROR):
                raise Wrong(f"GOAWAY {one.error_code}, not {codes}")
            if one.type == HEADERS and dict(self.decoder.decode(one.data))[":status"] == "200":
                raise Wrong("answered")

    def closes(self, stream):
        """Expects that the stream, or the connection, is said to be closed; else that the
        connection ends."""
        while (one := self.next()) is not None:
            if one.type in (RST, GOAWAY) and one.error_code in (CLOSED, PROTOCOL):
                return
            if one.type == HEADERS:
                raise Wrong("answered")

    def resets(self, *codes):
        """Expects an error of the stream, a 4xx, or an error of the connection."""
        while (one := self.next()) is not None:
            if one.type in (RST, GOAWAY):
                if one.error_code not in codes:
                    raise Wrong(f"{one}, not {codes}")
                return
            if one.type == HEADERS:
                status = dict(self.decoder.decode(one.data))[":status"]
                if not status.startswith("4"):
                    raise Wrong(f"answered {status}")
                return


def ends(section, name, *codes, begin=True):
    """A case that is bytes alone, and ends the connection."""
    def keep(make):
        def run():
            connection = Connection(begin=begin)
            sent = make(connection)
            connection.send(sent)
            connection.ends(*codes)

        CASES.append((section, name, run))
        return make

    return keep


def resets(section, name, *fields, **how):
    """A case that is a malformed request."""
    def run():
        connection = Connection()
        connection.ask(1, *fields, **how)
        connection.resets(PROTOCOL)

    CASES.append((section, name, run))


# 3.4 the preface
ends("3.4", "a preface of another protocol", PROTOCOL, begin=False)(lambda c: b"INVALID CONNECTION PREFACE\r\n\r\n")
ends("3.4", "the preface's second half is wrong", PROTOCOL, begin=False)(
    lambda c: b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings()
)
ends("3.4", "the first frame is not SETTINGS", PROTOCOL, begin=False)(
    lambda c: PREFACE + frame(PING, 0, 0, b"12345678")
)


# 4 frames
@case("4.1")
def an_unknown_frame_is_passed_over():
    connection = Connection()
    connection.send(frame(0xF0, 0, 0, b"whatever"))
    connection.lives()


@case("4.1")
def unknown_flags_are_passed_over():
    connection = Connection()
    connection.send(frame(PING, 0xFE, 0, b"12345678"))
    connection.until(lambda it: it.type == PING and it.opaque_data == b"12345678")


@case("4.1")
def the_reserved_bit_is_passed_over():
    connection = Connection()
    connection.send(frame(PING, 0, 0x80000000, b"12345678"))
    connection.until(lambda it: it.type == PING and it.opaque_data == b"12345678")


@case("4.2")
def a_frame_as_large_as_may_be_is_taken():
    connection = Connection()
    connection.ask(1, method="POST", path="/whole", flags=END_HEADERS)
    connection.send(frame(DATA, END_STREAM, 1, b"x" * 16384))
    connection.answered(1)


def opened(connection, **how):
    return frame(HEADERS, END_HEADERS, 1, connection.block(method="POST", **how))


def whole(connection, stream=1, **how):
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, connection.block(**how))


ends("4.2", "DATA larger than may be", SIZE)(lambda c: opened(c) + frame(DATA, 0, 1, b"x" * 16385))
ends("4.2", "HEADERS larger than may be", SIZE)(lambda c: frame(HEADERS, END_HEADERS, 1, b"\0" * 16385))
ends("4.2", "SETTINGS larger than may be", SIZE)(lambda c: frame(SETTINGS, 0, 0, b"\0" * 16386))
ends("4.3", "a block that cannot be decompressed", COMPRESSION)(
    lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xff\xff\xff\xff\xff\xff")
)
ends("4.3", "an index that is not in the table", COMPRESSION)(
    lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\xfe")
)
ends("4.3", "another frame inside a block", PROTOCOL)(
    lambda c: frame(HEADERS, END_STREAM, 1, c.block()) + frame(PRIORITY, 0, 1, b"\0\0\0\0\x10")
)
ends("4.3", "another stream inside a block", PROTOCOL)(
    lambda c: frame(HEADERS, END_STREAM, 1, c.block()) + whole(c, 3)
)
ends("4.3.1", "a table larger than was allowed", COMPRESSION)(
    lambda c: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x3f\xe1\xff\x03" + c.block())
)

# 5.1 states of streams
ends("5.1", "DATA on an idle stream", PROTOCOL)(lambda c: frame(DATA, END_STREAM, 1, b"x"))
ends("5.1", "RST_STREAM on an idle stream", PROTOCOL)(lambda c: frame(RST, 0, 1, b"\0\0\0\x08"))
ends("5.1", "WINDOW_UPDATE on an idle stream", PROTOCOL)(lambda c: frame(WINDOW, 0, 1, b"\0\0\0\x64"))
ends("5.1", "CONTINUATION on an idle stream", PROTOCOL)(lambda c: frame(CONTINUATION, END_HEADERS, 1, c.block()))


# An error of the stream is as good as one of the connection, also after an answer.
@case("5.1")
def DATA_on_a_stream_that_the_client_has_closed():
    connection = Connection()
    connection.ask(1, path="/held")
    connection.send(frame(DATA, END_STREAM, 1, b"x"))
    connection.closes(1)


@case("5.1")
def HEADERS_on_a_stream_that_the_client_has_closed():
    connection = Connection()
    connection.ask(1, path="/held")
    connection.ask(1)
    connection.closes(1)


@case("5.1")
def HEADERS_on_a_stream_that_was_reset():
    connection = Connection()
    connection.send(opened(connection) + frame(RST, 0, 1, b"\0\0\0\x08"))
    connection.ask(1)
    connection.closes(1)


ends("5.1.1", "a stream of even number", PROTOCOL)(lambda c: whole(c, 2))
ends("5.1.1", "a stream of smaller number", PROTOCOL, CLOSED)(
    lambda c: frame(HEADERS, END_HEADERS, 5, c.block(method="POST")) + whole(c, 3)
)


@case("5.1.2")
def more_streams_than_were_allowed():
    connection = Connection()
    most = connection.seen_settings.get(3)
    if not most or most > 1000:
        raise Wrong(f"no bound of streams: {most}")
    for number in range(most + 1):
        connection.ask(1 + 2 * number, method="POST", flags=END_HEADERS)
    refused = connection.until(lambda it: it.type in (RST, GOAWAY))
    if refused.error_code not in (REFUSED, PROTOCOL):
        raise Wrong(f"{refused}")


ends("5.5", "an unknown frame inside a block", PROTOCOL)(
    lambda c: frame(HEADERS, END_STREAM, 1, c.block()) + frame(0xF0, 0, 0, b"x")
)

# 6 each frame
ends("6.1", "DATA on stream 0", PROTOCOL)(lambda c: frame(DATA, END_STREAM, 0, b"x"))
ends("6.1", "DATA with more padding than bytes", PROTOCOL)(
    lambda c: opened(c) + frame(DATA, END_STREAM | PADDED, 1, b"\x06x")
)
ends("6.2", "HEADERS on stream 0", PROTOCOL)(lambda c: whole(c, 0))
ends("6.2", "HEADERS with more padding than bytes", PROTOCOL)(
    lambda c: frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, b"\xff" + c.block())
)
ends("6.3", "PRIORITY on stream 0", PROTOCOL)(lambda c: frame(PRIORITY, 0, 0, b"\0\0\0\0\x10"))


@case("6.3")
def PRIORITY_of_another_length():
    connection = Connection()
    connection.send(opened(connection) + frame(PRIORITY, 0, 1, b"\0\0\0\0"))
    connection.resets(SIZE)


ends("6.4", "RST_STREAM on stream 0", PROTOCOL)(lambda c: frame(RST, 0, 0, b"\0\0\0\x08"))
ends("6.4", "RST_STREAM of another length", SIZE)(lambda c: opened(c) + frame(RST, 0, 1, b"\0\0\0"))
ends("6.5", "an acknowledgement with settings", SIZE)(lambda c: frame(SETTINGS, ACK, 0, b"\0"))
ends("6.5", "SETTINGS on a stream", PROTOCOL)(lambda c: frame(SETTINGS, 0, 1, b"\0\3\0\0\0\1"))
ends("6.5", "SETTINGS of another length", SIZE)(lambda c: frame(SETTINGS, 0, 0, b"\0\3\0\0\0"))
ends("6.5.2", "ENABLE_PUSH of 2", PROTOCOL)(lambda c: settings((2, 2)))
ends("6.5.2", "INITIAL_WINDOW_SIZE beyond the largest", FLOW)(lambda c: settings((4, 1 << 31)))
ends("6.5.2", "MAX_FRAME_SIZE below the smallest", PROTOCOL)(lambda c: settings((5, 16383)))
ends("6.5.2", "MAX_FRAME_SIZE beyond the largest", PROTOCOL)(lambda c: settings((5, 1 << 24)))


@case("6.5.2")
def an_unknown_setting_is_passed_over():
    connection = Connection()
    connection.send(settings((0xFF, 1)))
    connection.lives()


@case("6.5.3")
def settings_are_acknowledged():
    connection = Connection()
    connection.until(lambda it: it.type == SETTINGS and "ACK" in it.flags)
    connection.send(settings((3, 100)))
    connection.until(lambda it: it.type == SETTINGS and "ACK" in it.flags)


ends("6.6", "PUSH_PROMISE of a client", PROTOCOL)(
    lambda c: opened(c) + frame(PUSH, END_HEADERS, 1, b"\0\0\0\2" + c.block())
)


@case("6.7")
def an_acknowledged_ping_is_not_answered():
    connection = Connection()
    connection.send(frame(PING, ACK, 0, b"12345678") + frame(PING, 0, 0, b"87654321"))
    first = connection.until(lambda it: it.type == PING)
    if first.opaque_data != b"87654321":
        raise Wrong("it was answered")


ends("6.7", "PING on a stream", PROTOCOL)(lambda c: frame(PING, 0, 1, b"12345678"))
ends("6.7", "PING of another length", SIZE)(lambda c: frame(PING, 0, 0, b"123456"))
ends("6.8", "GOAWAY on a stream", PROTOCOL)(lambda c: frame(GOAWAY, 0, 1, b"\0" * 8))
ends("6.9", "WINDOW_UPDATE of 0", PROTOCOL)(lambda c: frame(WINDOW, 0, 0, b"\0\0\0\0"))
ends("6.9", "WINDOW_UPDATE of another length", SIZE)(lambda c: frame(WINDOW, 0, 0, b"\0\0\1"))


@case("6.9")
def WINDOW_UPDATE_of_0_on_a_stream():
    connection = Connection()
    connection.send(opened(connection) + frame(WINDOW, 0, 1, b"\0\0\0\0"))
    connection.resets(PROTOCOL)


@case("6.9.1")
def no_more_is_sent_than_the_window_has():
    connection = Connection((4, 1))
    connection.ask(1, path="/whole")
    first = connection.until(lambda it: it.type == DATA)
    if len(first.data) > 1:
        raise Wrong(f"{len(first.data)} bytes into a window of 1")
    connection.send(frame(WINDOW, 0, 1, b"\0\0\0\x64"))
    connection.until(lambda it: it.type == DATA and "END_STREAM" in it.flags)


ends("6.9.1", "a window beyond the largest", FLOW)(lambda c: frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"))


@case("6.9.1")
def a_streams_window_beyond_the_largest():
    connection = Connection()
    connection.send(opened(connection) + frame(WINDOW, 0, 1, b"\x7f\xff\xff\xff"))
    connection.resets(FLOW)


@case("6.9.2")
def a_window_opened_by_settings_is_used():
    connection = Connection((4, 0))
    connection.ask(1, path="/whole")
    connection.lives()
    connection.send(settings((4, 1)))
    first = connection.until(lambda it: it.type == DATA)
    if len(first.data) != 1:
        raise Wrong(f"{len(first.data)} bytes into a window of 1")


ends("6.10", "CONTINUATION on stream 0", PROTOCOL)(
    lambda c: frame(HEADERS, END_STREAM, 1, c.block()) + frame(CONTINUATION, END_HEADERS, 0)
)
ends("6.10", "CONTINUATION after the end of a block", PROTOCOL)(
    lambda c: opened(c) + frame(CONTINUATION, END_HEADERS, 1, c.block(("x", "1"), pseudo=False))
)


@case("6.10")
def several_continuations_are_one_block():
    connection = Connection()
    block = connection.block(("x-long", "y" * 100), path="/whole")
    connection.send(frame(HEADERS, END_STREAM, 1, block[:5]) + frame(CONTINUATION, 0, 1, block[5:9]))
    connection.send(frame(CONTINUATION, END_HEADERS, 1, block[9:]))
    connection.answered(1)


# 8 messages
@case("8.1")
def trailers_that_do_not_end_the_stream():
    connection = Connection()
    connection.send(opened(connection) + frame(DATA, 0, 1, b"x"))
    connection.send(frame(HEADERS, END_HEADERS, 1, connection.block(("x", "1"), pseudo=False)))
    connection.resets(PROTOCOL)


@case("8.1.1")
def less_than_the_length_said():
    connection = Connection()
    connection.ask(1, ("content-length", "5"), method="POST", flags=END_HEADERS)
    connection.send(frame(DATA, END_STREAM, 1, b"x"))
    connection.resets(PROTOCOL)


@case("8.1.1")
def more_than_the_length_said():
    connection = Connection()
    connection.ask(1, ("content-length", "1"), method="POST", flags=END_HEADERS)
    connection.send(frame(DATA, 0, 1, b"x") + frame(DATA, END_STREAM, 1, b"GET /smuggled HTTP/1.1\r\n\r\n"))
    connection.resets(PROTOCOL)


@case("8.1.1")
def a_length_and_no_body():
    connection = Connection()
    connection.ask(1, ("content-length", "5"), method="POST")
    connection.resets(PROTOCOL)


resets("8.1.1", "two lengths", ("content-length", "0"), ("content-length", "1"))
resets("8.1.1", "a length that is no number", ("content-length", "+0"))
resets("8.2", "upper case in a name", ("X-A", "1"))
resets("8.2.1", "a space in a name", ("x a", "1"))
resets("8.2.1", "a colon in a name", ("x:a", "1"))
resets("8.2.1", "CR LF in a name", ("x: 1\r\ny", "1"))
resets("8.2.1", "NUL in a value", ("x", b"a\0b"))
resets("8.2.1", "LF in a value", ("x", b"a\nhost: b"))
resets("8.2.1", "CR LF in a value", ("x", b"a\r\nhost: b"))
for name, value in (
    ("connection", "close"),
    ("keep-alive", "timeout=1"),
    ("proxy-connection", "close"),
    ("transfer-encoding", "chunked"),
    ("upgrade", "x"),
    ("te", "gzip"),
):
    resets("8.2.2", f"the field {name}", (name, value))


def pseudo(section, name, *fields):
    CASES.append((section, name, lambda: malformed(fields)))


def malformed(fields):
    connection = Connection()
    connection.ask(1, *fields, pseudo=False)
    connection.resets(PROTOCOL)


METHOD, SCHEME, PATH = (":method", "GET"), (":scheme", "http"), (":path", "/violation")
HOST = (":authority", "a.example")
pseudo("8.3", "an unknown pseudo-field", METHOD, SCHEME, PATH, HOST, (":x", "1"))
pseudo("8.3", "a pseudo-field of answers", METHOD, SCHEME, PATH, HOST, (":status", "200"))
pseudo("8.3", "a pseudo-field behind others", METHOD, SCHEME, HOST, ("x", "1"), PATH)
pseudo("8.3", "two methods", METHOD, METHOD, SCHEME, PATH, HOST)
pseudo("8.3", "two schemes", METHOD, SCHEME, SCHEME, PATH, HOST)
pseudo("8.3", "two paths", METHOD, SCHEME, PATH, PATH, HOST)
pseudo("8.3", "two authorities", METHOD, SCHEME, PATH, HOST, HOST)
pseudo("8.3.1", "no method", SCHEME, PATH, HOST)
pseudo("8.3.1", "no scheme", METHOD, PATH, HOST)
pseudo("8.3.1", "no path", METHOD, SCHEME, HOST)
pseudo("8.3.1", "an empty path", METHOD, SCHEME, (":path", ""), HOST)
pseudo("8.3.1", "a path without a slash", METHOD, SCHEME, (":path", "violation"), HOST)
pseudo("8.3.1", "a space in the path", METHOD, SCHEME, (":path", "/violation HTTP/1.1"), HOST)
pseudo("8.3.1", "CR LF in the path", METHOD, SCHEME, (":path", "/violation\r\nx: 1"), HOST)
pseudo("8.3.1", "a space in the method", (":method", "GET /x"), SCHEME, PATH, HOST)
pseudo("8.3.1", "user information in the authority", METHOD, SCHEME, PATH, (":authority", "u@a.example"))
pseudo("8.3.1", "a space in the authority", METHOD, SCHEME, PATH, (":authority", "a b"))
pseudo("8.3.1", "no authority and no host", METHOD, SCHEME, PATH)
pseudo("8.3.1", "an authority and another host", METHOD, SCHEME, PATH, HOST, ("host", "b.example"))
pseudo("8.3.1", "two hosts", METHOD, SCHEME, PATH, ("host", "a"), ("host", "b"))


@case("8.1")
def a_pseudo_field_in_trailers():
    connection = Connection()
    connection.send(opened(connection, path="/whole") + frame(DATA, 0, 1, b"x"))
    trailers = connection.block((":path", "/violation"), pseudo=False)
    connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, trailers))
    connection.resets(PROTOCOL)


pseudo("8.5", "CONNECT", (":method", "CONNECT"), HOST)


# 10.5 what costs more than it is worth
@case("10.5")
def fields_without_end():
    connection = Connection()
    connection.send(frame(HEADERS, END_STREAM, 1, connection.block()))
    for number in range(2000):
        connection.send(frame(CONTINUATION, 0, 1, b"\0\1x\x7f\x80\x7f" + b"y" * 255))
    connection.ends(CALM, PROTOCOL, COMPRESSION)


@case("10.5")
def a_head_larger_than_may_be():
    connection = Connection()
    block = connection.block(*((f"x-{number}", "y" * 200) for number in range(1000)))
    pieces = [block[at : at + 16000] for at in range(0, len(block), 16000)]
    connection.send(frame(HEADERS, END_STREAM, 1, pieces[0]))
    for piece in pieces[1:-1]:
        connection.send(frame(CONTINUATION, 0, 1, piece))
    connection.send(frame(CONTINUATION, END_HEADERS, 1, pieces[-1]))
    connection.resets(PROTOCOL, CALM, REFUSED)


@case("10.5")
def streams_reset_as_fast_as_they_are_opened():
    connection = Connection()
    for number in range(3000):
        stream = 1 + 2 * number
        # Each is well by itself, and some arrive before they are taken back.
        connection.send(whole(connection, stream, path="/reset") + frame(RST, 0, stream, b"\0\0\0\x08"))
    connection.ends(CALM)


def main():
    told = []
    for section, name, run in CASES:
        try:
            run()
            wrong = None
        except Wrong as error:
            wrong = str(error)
        told.append({"section": section, "name": name, "wrong": wrong})
    json.dump(told, sys.stdout)


main()
