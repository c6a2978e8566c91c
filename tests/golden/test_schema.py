# SPDX-License-Identifier: GPL-2.0
"""Does docs/memtrace-1.schema.json refuse what is too much, too little, or of the wrong kind?"""
import copy
import json

import jsonschema
import pytest

import golden
import support

OPTIONAL = {"stands_for", "intervals", "notes", "unsited"}
FREE = {"features", "evidence", "released_by"}  # objects with names of any kind


def documents():
    return [json.loads((golden.FOLDER / capture / "report.json").read_text())
            for capture in golden.REPORTS]


def complete():
    """A document with an example of what no golden report has yet."""
    document = documents()[0]
    frame = {"function": "main", "kind": "native", "module": "/usr/bin/x", "file": "x.c", "line": 7,
             "address": "0x0", "build_id": "", "offset": 0}
    document["capture"]["notes"] = ["a note"]
    document["processes"][0].update(
        stands_for=2,
        unsited={"resident_bytes": 0, "virtual_bytes": 0, "meaning": "before memtrace"},
        sites=[{"stack": [frame], "truncated": True,
                "truncated_because": "too deep", "reserved_bytes": 0,
                "unreserved_bytes": 0, "never_touched_bytes": 0,
                "unreserved_untouched_bytes": 0, "gave_back_bytes": 0, "gave_back_by": {},
                "touched_bytes": 0, "released_bytes": 0, "resident_bytes": 0, "swapped_bytes": 0,
                "released_by": {"munmap": 0, "brk.shrink": 0}}],
        mappings=[{"kind": "heap", "name": "glibc arena", "count": 0, "virtual_bytes": 0,
                   "resident_bytes": 0, "never_touched_bytes": 0}],
        findings=[{"id": "never-touched", "bytes": 0, "confidence": "measured",
                   "alarm": False, "title": "", "why": "", "try": "",
                   "evidence": {"anything": 1}}])
    return document


def objects(value, path=()):
    """Every object of a document with the path to it, but one of each kind."""
    if isinstance(value, dict):
        yield path
        for name, member in value.items():
            yield from objects(member, path + (name,))
    elif isinstance(value, list) and value:
        yield from objects(value[0], path + (0,))


def at(document, path):
    for step in path:
        document = document[step]
    return document


def is_valid(document):
    return support.SCHEMA.is_valid(document)


OBJECTS = list(objects(complete()))


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(support.SCHEMA.schema)


@pytest.mark.parametrize("document", [complete(), *documents()])
def test_takes_what_is_right(document):
    support.validate(document)


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_refuses_too_much(path):
    document = complete()
    at(document, path)["surprise"] = True
    assert is_valid(document) == (path[-1:] in [("features",), ("evidence",)])


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_refuses_too_little(path):
    for name in list(at(complete(), path)):
        document = complete()
        del at(document, path)[name]
        optional = name in OPTIONAL or path and path[-1] in FREE
        # `operation` is there in histograms of one operation alone
        optional = optional or name == "operation" and "histograms" in path
        assert is_valid(document) == bool(optional), name


@pytest.mark.parametrize("path", OBJECTS, ids=str)
def test_refuses_other_kinds(path):
    for name in at(complete(), path):
        document = complete()
        at(document, path)[name] = 0.5
        assert is_valid(document) == (path[-1:] == ("evidence",)), name


def test_every_property_is_described():
    bare = []

    def look(schema, name):
        if "$ref" in schema:
            schema = {**support.SCHEMA.schema["$defs"][schema["$ref"].split("/")[-1]], **schema}
        if "description" not in schema:
            bare.append(name)
        for member, inner in schema.get("properties", {}).items():
            look(inner, f"{name}.{member}")

    look(support.SCHEMA.schema, "document")
    for name, schema in support.SCHEMA.schema["$defs"].items():
        look(copy.copy(schema), name)
    assert not bare
