"""Turns other projects' HTTP/1.1 cases into one list, as JSON, for `edge/foreign.rs`.

    cases.py CORPORA-FOLDER

The cases are gunicorn's (tests/requests) and llhttp's (in aiohttp's source package); how
each is written down, escapes included, is as their own readers take it. Nothing is left out
here: what this cannot read ends it.

A case: name; kind, "request" or "response"; bytes, in hexadecimal; strict, whether the
project expects this of its strict parser; refused, whether it says that the input is wrong;
ended, whether the last message came whole; messages, each with start (method and target, or
the status), body (null where the parser was told to leave it alone), whole.
"""

import json
import re
import sys
import types
from pathlib import Path

UPGRADE, PAUSED, PRI = 22, 21, 23


def gunicorn_bytes(path):
    data = path.read_bytes().replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
    data = data.replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t")
    data = re.sub(rb"\\x([0-9a-fA-F]{2})", lambda m: bytes([int(m[1], 16)]), data)
    assert b"\\" not in data, path
    return data


class Anything(Exception):
    """Stands for gunicorn's settings, errors and whatever else its cases name."""

    def __init__(self, *_):
        self.settings = {}

    def set(self, name, value):
        self.settings[name] = value


def gunicorn_expects(path):
    for name in ("gunicorn", "gunicorn.config", "gunicorn.http", "gunicorn.http.errors"):
        module = types.ModuleType(name)
        module.__getattr__ = lambda name: Anything if name != "__all__" else []
        sys.modules[name] = module
    errors = {name: Anything for name in re.findall(r"\b[A-Z]\w+", path.read_text())}
    scope = {**errors, "Config": Anything, "uri": lambda raw: raw, "cfg": Anything()}
    text = re.sub(r"from gunicorn\S* import \*|from gunicorn.*", "", path.read_text())
    exec(compile(text, str(path), "exec"), scope)
    return scope["request"], scope["cfg"].settings


def gunicorn(folder):
    for kind in ("valid", "invalid"):
        paths = sorted((folder / kind).glob("*.http"))
        assert len(paths) > 40, f"{folder / kind} holds {len(paths)} cases"
        for path in paths:
            expected, settings = gunicorn_expects(path.with_suffix(".py"))
            expected = expected if isinstance(expected, list) else [expected]
            messages = []
            for one in expected if kind == "valid" else []:
                body = one["body"]
                body = body.encode() if isinstance(body, str) else body
                said = dict(one["headers"]).get("CONTENT-LENGTH", len(body))
                # One of them ends before its body does.
                whole = int(said) == len(body)
                messages.append(message([one["method"], one["uri"]], body, whole))
            yield {
                "name": f"gunicorn/{kind}/{path.stem}",
                "kind": "request",
                "bytes": gunicorn_bytes(path).hex(),
                # Settings make gunicorn looser, or stricter, than it is by itself.
                "strict": not settings,
                "refused": kind == "invalid",
                "ended": all(one["whole"] for one in messages),
                "messages": messages,
            }


def message(start, body, whole):
    return {"start": start, "body": None if body is None else body.hex(), "whole": whole}


def llhttp_cases(path):
    """Titles, what a case is about, its input, and what the parser says."""
    titles, meta, held, block, lines = [], None, {}, None, []
    for line in path.read_text().splitlines(keepends=True):
        if block and line.startswith("```"):
            held[block], block = "".join(lines), None
            if "log" in held:
                yield " / ".join(titles), meta, held["http"], held["log"]
                meta, held = None, {}
        elif block:
            lines.append(line)
        elif line.startswith("```"):
            block, lines = line[3:].strip(), []
        elif line.startswith("<!-- meta="):
            meta = json.loads(line[len("<!-- meta=") : line.index("-->")])
        elif title := re.match(r"(##+) (.*)", line):
            titles = titles[: len(title[1]) - 2] + [title[2]]


def llhttp_input(text):
    text = text.removesuffix("\n")
    text = re.sub(r"\\(\r\n|\r|\n)", "", text)
    text = re.sub(r"\r\n|\r|\n", "\r\n", text)
    for escape, byte in (("\\r", "\r"), ("\\n", "\n"), ("\\t", "\t"), ("\\f", "\f")):
        text = text.replace(escape, byte)
    text = re.sub(r"\\x([0-9a-fA-F]+)", lambda m: chr(int(m[1], 16)), text)
    text = re.sub(r"\\([0-7]{1,3})", lambda m: chr(int(m[1], 8)), text)
    assert "${" not in text, text
    return text.encode()


def llhttp_messages(data, log):
    """What the log says was read, by the offsets it names."""
    messages, refused, upgraded, ended = [], False, False, True
    for line in log.splitlines():
        span = re.match(r"off=(\d+) len=(\d+) span\[(\w+)\]", line)
        error = re.search(r"error code=(\d+)", line)
        if "message begin" in line:
            messages.append({"spans": {}, "whole": False})
            ended = False
        elif span:
            start, length = int(span[1]), int(span[2])
            spans = messages[-1]["spans"]
            spans[span[3]] = spans.get(span[3], b"") + data[start : start + length]
        elif "message complete" in line:
            messages[-1]["whole"] = ended = True
        elif "headers complete" in line:
            status = re.search(r"status=(\d+)", line)
            messages[-1]["status"] = status[1] if status else None
        elif error and int(error[1]) == UPGRADE:
            upgraded = True
        elif error and int(error[1]) != PAUSED:
            refused = True
    read = []
    for one in messages:
        spans = one["spans"]
        words = [spans.get("method", b""), spans.get("url", b"")]
        start = [one["status"]] if one.get("status") else [w.decode("latin-1") for w in words]
        read.append(message(start, spans.get("body", b""), one["whole"]))
    return read, refused, upgraded, ended


def llhttp(folder):
    for kind in ("request", "response"):
        paths = sorted((folder / kind).glob("*.md"))
        assert len(paths) > 5, f"{folder / kind} holds {len(paths)} files"
        for path in paths:
            found = list(llhttp_cases(path))
            assert len(found) == path.read_text().count("\n```http\n"), path
            for titles, meta, text, log in found:
                data = llhttp_input(text)
                messages, refused, upgraded, ended = llhttp_messages(data, log)
                if meta.get("skipBody"):
                    messages = [{**one, "body": None} for one in messages]
                loose = meta["type"] != kind or meta.get("skipBody") or upgraded
                yield {
                    "name": f"llhttp/{kind}/{path.stem}/{titles}",
                    "kind": kind,
                    "bytes": data.hex(),
                    "strict": not loose,
                    "refused": refused,
                    "ended": ended,
                    "messages": messages,
                }


corpora = Path(sys.argv[1])
cases = list(gunicorn(corpora / "gunicorn" / "tests" / "requests"))
cases += llhttp(corpora / "aiohttp" / "vendor" / "llhttp" / "test")
seen = {}
for case in cases:
    # llhttp names some cases alike.
    seen[case["name"]] = seen.get(case["name"], 0) + 1
    if seen[case["name"]] > 1:
        case["name"] += f" {seen[case['name']]}"
json.dump(cases, sys.stdout)
