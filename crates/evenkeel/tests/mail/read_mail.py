"""What a mail says, to readers of another make: Python's email, and dkimpy.

Usage: read_mail.py FILE [NAME=RECORD ...]    the records are what the DNS would answer
"""
import email
import email.policy
import json
import sys

import dkim

raw = open(sys.argv[1], "rb").read()
records = dict(argument.split("=", 1) for argument in sys.argv[2:])


def dnsfunc(name, timeout=5):
    text = records.get(name.decode().rstrip("."))
    return text.encode() if text is not None else None


letter = email.message_from_bytes(raw, policy=email.policy.default)
assert not letter.defects, letter.defects
parts = {}
for part in letter.walk():
    assert not part.defects, part.defects
    if not part.is_multipart():
        parts[part.get_content_type()] = part.get_content()
signed = dkim.verify(raw, dnsfunc=dnsfunc) if b"DKIM-Signature:" in raw else None
print(
    json.dumps(
        {
            "headers": {name.lower(): str(value) for name, value in letter.items()},
            "names": [name.lower() for name in letter.keys()],
            "parts": parts,
            "signed": signed,
            "longest_line": max(len(line) for line in raw.split(b"\r\n")),
        }
    )
)
