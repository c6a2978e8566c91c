# SPDX-License-Identifier: GPL-2.0
"""Do all files have the form that the house gives them?"""
import re
import socket
import warnings

import sources
from sources import assert_none

WIDTH = 100
FILE_LINES, FUNCTION_LINES, LONG_FUNCTION, MAIN_LINES = 500, 60, 40, 20


def numbered(path):
    return enumerate(sources.lines(path), 1)


def test_files_are_found():
    assert len(sources.programs()) > 80
    assert len(sources.shell()) >= 3


def test_licence_comes_first():
    def has(path):
        first = sources.lines(path)[:2]
        return any("SPDX-License-Identifier: GPL-2.0" in line
                   for line in (first if first[0].startswith("#!") else first[:1]))

    assert_none(path for path in sources.programs() if not has(path))


def test_first_sentence_says_what_a_file_answers():
    starts = {".c": "/*", ".h": "/*", ".proto": "//", ".textproto": "# "}
    problems = []
    for path in sources.programs():
        after = [line for line in sources.lines(path)[:4]
                 if not line.startswith("#!") and "SPDX-License" not in line]
        start = '"""' if path in sources.python() else starts.get(path.suffix, "# ")
        if not after or not after[0].startswith(start):
            problems.append(path)
    assert_none(problems)


def test_lines_fit():
    assert_none(f"{path}:{number}: {len(line.expandtabs(8))} columns"
                for path in sources.programs() for number, line in numbered(path)
                if len(line.expandtabs(8)) > WIDTH)


def test_lines_end_at_their_last_character():
    assert_none(f"{path}:{number}" for path in sources.everything()
                for number, line in numbered(path)
                if line != line.rstrip() and path.suffix not in (".txt", ".patch"))


def test_files_end_with_one_newline():
    assert_none(path for path in sources.everything()
                if sources.lines(path)[-1] or sources.lines(path)[-2:] == ["", ""])


def test_tabs_indent_c_and_shell():
    """Blanks only where a comment goes on."""
    assert_none(f"{path}:{number}"
                for path in [*sources.with_suffix(*sources.C, ".proto"), *sources.shell()]
                if path.suffix != ".proto"
                for number, line in numbered(path) if re.match(r" (?!\*)", line))


def test_blanks_indent_python():
    assert_none(f"{path}:{number}" for path in sources.python()
                for number, line in numbered(path) if "\t" in line)


def test_files_are_short():
    assert_none(f"{path}: {len(sources.lines(path)) - 1} lines" for path in sources.programs()
                if len(sources.lines(path)) - 1 > FILE_LINES)


def functions(path):
    """Of a C file: (name, line of its head, lines between its braces)."""
    head, start = "", None
    for number, line in numbered(path):
        if line == "{":
            start = number
        elif line == "}" and start:
            name = re.findall(r"(\w+)\s*\(", head)
            yield (name[0] if name else head), start - 1, number - start - 1
            start = None
        elif line[:1].isalpha() and start is None:
            head = line


def all_functions():
    for path in sources.with_suffix(*sources.C):
        for name, number, length in functions(path):
            yield f"{path}:{number}: {name}", name, length


def test_functions_are_found():
    found = list(all_functions())
    assert len(found) > 300
    assert any(name == "options_parse" and 5 < length < 30 for _, name, length in found)


def test_functions_are_short():
    assert_none(f"{where} has {length} lines" for where, name, length in all_functions()
                if length > (MAIN_LINES if where.startswith("user/") and name == "main"
                             else FUNCTION_LINES))


def test_most_functions_are_very_short():
    lengths = sorted(length for _, _, length in all_functions())
    assert lengths[len(lengths) * 3 // 4] <= 15
    for where, _, length in all_functions():
        if length > LONG_FUNCTION:
            warnings.warn(f"{where} has {length} lines, few are to have more than "
                          f"{LONG_FUNCTION}")


def test_names_say_something():
    words = {"utils", "util", "utilities", "common", "misc", "helper", "helpers", "stuff"}
    assert_none(path for path in sources.everything()
                if words & {word for part in path.parts for word in re.split(r"[._-]", part)})


def test_no_trace_of_a_machine():
    """No path of a checkout or of somebody's home, no name of a host."""
    traces = re.compile(r"(?<![\w.])/(?:home|Users|root|work|builds)/\w+")
    host = socket.gethostname()
    generic = {"localhost", "debian", "linux", "host", "runner", "vm", "build"}
    named = re.compile(rf"\b{re.escape(host)}\b") if len(host) > 3 and host not in generic else None
    problems = []
    for path in sources.everything():
        for number, line in numbered(path):
            if traces.search(line) or str(sources.ROOT) in line and len(sources.ROOT.parts) > 2 \
                    or named and named.search(line):
                problems.append(f"{path}:{number}: {line.strip()}")
    assert_none(problems)


def test_includes_start_at_the_root():
    doors = ("user/", "bpf/", "build/", "vmlinux/", "tests/")
    assert_none(f"{path}:{number}: {line}" for path in sources.with_suffix(*sources.C)
                for number, line in numbered(path)
                if line.startswith('#include "') and not line[10:].startswith(doors))


def test_sizes_of_the_border_are_asserted():
    """abi.h is laid out by hand: each of its structs has its size written down."""
    text = (sources.ROOT / "bpf/abi.h").read_text()
    structs = set(re.findall(r"^struct (\w+) \{", text, re.MULTILINE))
    asserted = set(re.findall(r"_Static_assert\(sizeof\(struct (\w+)\)", text))
    assert structs
    assert_none(structs - asserted)
