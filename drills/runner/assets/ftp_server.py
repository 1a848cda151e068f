"""A real FTP server whose next N uploads accept the data connection and then
never read from it.

Usage: ftp_server.py ROOT CONTROL USER PASSWORD

ROOT     the folder it serves
CONTROL  a folder: `port` is written when it listens; `stall_next` holds how many
         of the next uploads stall, and is counted down; `events` gets a line for
         each upload: "received NAME", "stalled NAME", "incomplete NAME"
"""
import os
import sys
import warnings

warnings.filterwarnings("ignore", category=DeprecationWarning)

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler
from pyftpdlib.servers import FTPServer

root, control, user, password = sys.argv[1:5]


def write(name, text):
    path = os.path.join(control, name)
    with open(path + ".new", "w") as out:
        out.write(text)
    os.rename(path + ".new", path)


def take_stall():
    try:
        with open(os.path.join(control, "stall_next")) as file:
            left = int(file.read() or 0)
    except (OSError, ValueError):
        left = 0
    if left > 0:
        write("stall_next", str(left - 1))
    return left > 0


def tell(event, path):
    with open(os.path.join(control, "events"), "a") as out:
        out.write("%s %s\n" % (event, os.path.relpath(path, root)))


class Data(DTPHandler):
    # A stalled transfer stalls for ever: that is the point.
    timeout = None

    def enable_receiving(self, type, cmd):
        super().enable_receiving(type, cmd)
        if take_stall():
            self.receive = False
            # Out of the poll loop: nobody will ever read this socket. It is
            # closed with its control connection.
            self.del_channel()
            tell("stalled", self.file_obj.name)


class Control(FTPHandler):
    dtp_handler = Data
    timeout = None
    banner = "Payroll bureau file transfer."

    def on_file_received(self, file):
        tell("received", file)

    def on_incomplete_file_received(self, file):
        tell("incomplete", file)


authorizer = DummyAuthorizer()
authorizer.add_user(user, password, root, perm="elradfmwMT")
Control.authorizer = authorizer
# Clients that were killed in tests leave sockets behind; none of ours is slow.
server = FTPServer(("127.0.0.1", 0), Control)
write("port", str(server.address[1]))
server.serve_forever()
