# SPDX-License-Identifier: GPL-2.0
"""Does the table of a person have what matters, where few rows fit?"""
import re
import subprocess

import support

PROGRAM = "import mmap, os\nkept = []\n" + "".join(f"""
def keep{number}():
    kept.append(mmap.mmap(-1, {number} << 20, mmap.MAP_PRIVATE))
    kept[-1].write(b"x" * ({number} << 20))
keep{number}()
""" for number in range(1, 8)) + """
def pass_by():
    with mmap.mmap(-1, 61 << 20, mmap.MAP_PRIVATE) as all:
        for page in range(0, 61 << 20, 4096):
            all[page] = 1
pass_by()
os._exit(0)
"""


def test_what_was_touched_most_has_a_row(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    text = subprocess.run([support.MEMTRACE, "--stacks", "python", "--limit", "5", "--",
                           "/usr/bin/python3", script], stdout=subprocess.PIPE, text=True,
                          check=True, timeout=support.SECONDS).stdout
    assert re.search(r"^ +61\.0 MiB +-61\.0 MiB  pass_by \(script\.py:", text, re.M), text
    assert re.search(r"^ +7\.0 MiB +[\d.]+ MiB .* keep7 \(script\.py:", text, re.M), text
    assert re.search(r"^ +[\d.]+ [KM]iB +.* \.\.\. and \d+ more", text, re.M), text


def test_small_ones_do_not_fill_the_screen(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    words = "for i in 1 2 3 4 5 6 7 8 9; do /bin/true; done; /usr/bin/python3 " + str(script)
    text = subprocess.run([support.MEMTRACE, "--stacks", "none", "--", "sh", "-c", words],
                          stdout=subprocess.PIPE, text=True, check=True,
                          timeout=support.SECONDS).stdout
    assert re.search(r"^11 processes", text, re.M), text
    assert re.search(r"^  \.\.\. and 6 more, none above [\d.]+ [KM]iB \(-v\)$", text, re.M), text
