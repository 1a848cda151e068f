"""A real SMTP server (aiosmtpd, from the distribution) that keeps what it takes.

Usage: smtp_server.py FOLDER MODE [CERTIFICATE KEY]

FOLDER  `port` is written when it listens; each mail becomes N.json (sender,
        recipients, the account that was used, whether the line was private) and N.eml
MODE    `plain`, `starttls` (nothing is taken before it, and an account is asked
        for), or `tls` (from the first byte, and an account is asked for)

Mail to `nobody@...` is refused; while FOLDER holds a file `refuse`, every recipient is.
"""
import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

folder, mode = sys.argv[1:3]
context = None
if mode != "plain":
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[3:5])


def write(name, data):
    path = os.path.join(folder, name)
    with open(path + ".new", "wb") as out:
        out.write(data)
    os.rename(path + ".new", path)


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"evenkeel", b"s3cret")
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())


class Keeper:
    count = 0

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@") or os.path.exists(os.path.join(folder, "refuse")):
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        self.count += 1
        about = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "account": session.auth_data,
            "private": mode == "tls" or session.ssl is not None,
        }
        write("%d.eml" % self.count, envelope.content)
        write("%d.json" % self.count, json.dumps(about).encode())
        return "250 OK: kept as %d" % self.count


async def main():
    keeper = Keeper()
    options = {"hostname": "localhost", "enable_SMTPUTF8": False}
    if mode != "plain":
        options.update(authenticator=authenticate, auth_required=True)
    if mode == "starttls":
        options.update(tls_context=context, require_starttls=True)
    if mode == "tls":
        options.update(auth_require_tls=False)
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(keeper, **options),
        "127.0.0.1",
        0,
        ssl=context if mode == "tls" else None,
    )
    write("port", str(server.sockets[0].getsockname()[1]).encode())
    await server.serve_forever()


asyncio.run(main())
