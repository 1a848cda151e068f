"""Reads the public status with programs of other makes, for `machines/programs.rs`.

    read.py FOLDER EXPORTER ADDRESS EXPECTED PATH...

FOLDER holds the schemas, EXPORTER the package of an exporter that people point at Statuspage,
ADDRESS is where the status is served, EXPECTED (JSON) what is to be found in it, and PATH every
address there is. Ends with what was not as expected, or prints `all read`.
"""

import json
import os
import re
import sys
import urllib.request
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree

import feedparser
import icalendar
import jsonschema

SVG = "{http://www.w3.org/2000/svg}"


def fetch(address):
    with urllib.request.urlopen(address, timeout=20) as answer:
        return answer.read()


def check(schema, value):
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    validator(schema, format_checker=jsonschema.FormatChecker()).validate(value)


def same(what, found, expected):
    assert found == expected, f"{what}: {found!r}, not {expected!r}"


def read_api(schemas, fetched, expected):
    of = {
        "summary": ["components", "incidents", "scheduled_maintenances", "status"],
        "status": ["status"],
        "components": ["components"],
        "incidents": ["incidents"],
        "incidents/unresolved": ["incidents"],
        "scheduled-maintenances": ["scheduled_maintenances"],
        "scheduled-maintenances/active": ["scheduled_maintenances"],
        "scheduled-maintenances/upcoming": ["scheduled_maintenances"],
    }
    for name, keys in of.items():
        answer = json.loads(fetched[f"/api/v2/{name}.json"])
        same(name, sorted(answer), sorted(["page", *keys]))
        check(schemas["statuspage"], answer)
    summary = json.loads(fetched["/api/v2/summary.json"])
    same("indicator", summary["status"]["indicator"], expected["indicator"])
    found = {component["name"]: component["status"] for component in summary["components"]}
    same("components", found, expected["components"])


def text_of(html):
    """What a reader sees of HTML in a feed."""
    # feedparser writes this one element its own way.
    html = html.replace("<br>", "<br/>")
    root = ElementTree.fromstring(f"<div>{html}</div>")
    return ["".join(paragraph.itertext()) for paragraph in root]


def read_feeds(schemas, fetched, expected):
    contents = []
    for kind in ("atom", "rss"):
        # As sent: what feedparser would clean up is what names are made of here.
        feed = feedparser.parse(fetched[f"/feed.{kind}"], sanitize_html=False)
        assert not feed.bozo, (kind, feed.get("bozo_exception"))
        assert feed.version in ("atom10", "rss20"), feed.version
        same(kind, [entry.title for entry in feed.entries], expected["titles"])
        updated = [entry.get("updated_parsed") or entry.published_parsed for entry in feed.entries]
        updated = [datetime(*at[:6], tzinfo=timezone.utc).isoformat() for at in updated]
        same(kind, updated, expected["updated"])
        assert all(entry.link.startswith("https://status.example.com/") for entry in feed.entries)
        ids = [entry.id for entry in feed.entries]
        assert all(re.fullmatch(r"tag:status\.example\.com,2026:(incident|maintenance)/[a-z0-9]{12}", id) for id in ids)
        html = [e.content[0].value if kind == "atom" else e.summary for e in feed.entries]
        same(kind, [len(text_of(one)) for one in html], expected["updates"])
        contents.append((ids, [text_of(one) for one in html]))
    feed = json.loads(fetched["/feed.json"])
    check(schemas["jsonfeed"], feed)
    same("JSON Feed", [item["title"] for item in feed["items"]], expected["titles"])
    items = feed["items"]
    contents.append(([item["id"] for item in items], [text_of(item["content_html"]) for item in items]))
    same("ids and contents", contents[1:], contents[:-1])


def read_calendars(fetched, expected):
    for path, text in fetched.items():
        if not path.endswith(".ics"):
            continue
        calendar = icalendar.Calendar.from_ical(text)
        same("errors", calendar.errors, [])
        same("version", calendar["VERSION"], "2.0")
        found = []
        for event in calendar.walk("VEVENT"):
            same("errors", event.errors, [])
            for name in ("UID", "DTSTAMP", "ORGANIZER", "URL", "LAST-MODIFIED"):
                assert event[name], (path, name)
            for name in ("PROVIDER", "ACCOUNT", "MAINTENANCE-ID", "STATUS"):
                assert event[f"X-MAINTNOTE-{name}"], (path, name)
            objects = event["X-MAINTNOTE-OBJECT-ID"]
            one = {
                "summary": str(event["SUMMARY"]),
                "status": str(event["STATUS"]),
                "sequence": event["SEQUENCE"],
                "impact": str(event["X-MAINTNOTE-IMPACT"]),
                "start": event.decoded("DTSTART").isoformat(),
                "end": event.decoded("DTEND").isoformat(),
                "objects": [str(of) for of in (objects if isinstance(objects, list) else [objects])],
            }
            assert "Vi flytter; alt, hvad der er, \\ nemt!" in str(event["DESCRIPTION"]), event["DESCRIPTION"]
            found.append(one)
        if path == "/maintenance.ics":
            same("events", found, expected.get("events", []))
        else:
            same(f"events of {path}", len(found), len(expected.get("events", [])))
        uids = [str(event["UID"]) for event in calendar.walk("VEVENT")]
        same("uids", len(set(uids)), len(uids))


def read_badges(schemas, fetched):
    for path, text in fetched.items():
        if path.endswith(".svg"):
            image = ElementTree.fromstring(text)
            same(path, image.tag, SVG + "svg")
            title = image.find(SVG + "title").text
            same(path, image.get("aria-label"), title)
            other = json.loads(fetched[path.replace(".svg", ".json")])
            check(schemas["shields"], other)
            same(path, title, f"{other['label']}: {other['message']}")


def read_as_exporter(package, address, expected):
    service = {"name": "Ours", "type": "status_page", "url": f"{address}/api/v2/summary.json"}
    Path("services.json").write_text(json.dumps({"ours": service}))
    os.environ["SERVICES_JSON_PATH"] = str(Path("services.json").absolute())
    sys.path.insert(0, package)
    from statuspage_prometheus_exporter import service_checker

    seen = service_checker.check_service_status("ours", service)
    assert seen["success"], seen
    same("the exporter's status", seen["status"], expected["up"])
    found = {component["name"]: component["status"] for component in seen["component_metadata"]}
    same("the exporter's components", found, expected["components"])
    open_titles = expected.get("incidents", expected["titles"][:1])
    same("the exporter's incidents", [one["name"] for one in seen["incident_metadata"]], open_titles)


def main(folder, package, address, expected, *paths):
    expected = json.loads(expected)
    schemas = {
        name: json.loads((Path(folder) / f"{name}.schema.json").read_text())
        for name in ("statuspage", "jsonfeed", "shields")
    }
    fetched = {path: fetch(address + path) for path in paths}
    read_api(schemas, fetched, expected)
    read_feeds(schemas, fetched, expected)
    read_calendars(fetched, expected)
    read_badges(schemas, fetched)
    read_as_exporter(package, address, expected)
    print("all read")


main(*sys.argv[1:])
