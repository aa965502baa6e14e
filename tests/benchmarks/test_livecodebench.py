"""LiveCodeBench: rows, windows, and private tests read without loading a pickle."""

from __future__ import annotations

import base64
import json
import pickletools
import struct
import zlib
from datetime import date

import pytest

from tasks.benchmarks import livecodebench
from tasks.benchmarks.livecodebench import (
    PROTOCOLS,
    dated_problems,
    problems,
    program,
    prompt,
    text_of_pickle,
    window,
)
from tasks.errors import BadInput
from tasks.sandbox.program import CallTests, Case, StdioCase, StdioTests


def short_pickle(text):
    data = text.encode()
    return b"\x80\x04\x8c" + bytes([len(data)]) + data + b"\x94."


def framed_pickle(text):
    body = b"X" + struct.pack("<I", len(text.encode())) + text.encode() + b"\x94."
    return b"\x80\x04\x95" + struct.pack("<Q", len(body)) + body


def old_pickle(text):
    return b"\x80\x02X" + struct.pack("<I", len(text.encode())) + text.encode() + b"q\x00."


def huge_pickle(text):
    return b"\x80\x04\x8d" + struct.pack("<Q", len(text.encode())) + text.encode() + b"r\x00\x00\x00\x00."


@pytest.mark.parametrize("form", [short_pickle, framed_pickle, old_pickle, huge_pickle])
def test_the_string_of_a_plain_pickle_is_read(form):
    data = form('["é"]')
    assert [name for name in (code.name for code, _, _ in pickletools.genops(data)) if "UNICODE" in name]
    assert text_of_pickle(data) == '["é"]'


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'echo owned'\ntR.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04echo\x85R.",
        b"\x80\x04]\x94.",
        b"\x80\x04K\x01.",
        short_pickle("a")[:-1],
        short_pickle("a") + b".",
        b"\x80\x04.",
        b"",
        b"\x80\x04\x8c\x01a\x8c\x01b.",
        b"\x80\x04\x8c\x09a.",
    ],
    ids=[
        "call",
        "stack call",
        "list",
        "number",
        "no end",
        "goes on",
        "nothing",
        "empty",
        "two strings",
        "short",
    ],
)
def test_everything_else_is_refused(data):
    with pytest.raises(ValueError):
        text_of_pickle(data)


def packed(cases):
    return base64.b64encode(zlib.compress(framed_pickle(json.dumps(cases)))).decode()


STDIN = {"input": "1\n", "output": "2\n", "testtype": "stdin"}
FUNCTIONAL = {"input": '[1, 2]\n"a"', "output": "3", "testtype": "functional"}
ROW = {
    "question_id": "abc_1",
    "question_content": "Print the next number.",
    "starter_code": "",
    "metadata": "{}",
    "difficulty": "medium",
    "contest_date": "2024-02-03T00:00:00",
    "public_test_cases": json.dumps([STDIN]),
    "private_test_cases": packed([{**STDIN, "input": "5\n", "output": "6\n"}]),
}


def load(tmp_path, *rows, **dates):
    path = tmp_path / "lcb.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if dates:
        return [problem for _, problem in dated_problems(path, **dates)]
    return list(problems(path))


def test_public_and_private_tests_are_joined(tmp_path):
    (problem,) = load(tmp_path, ROW)
    assert problem.decoded_tests == StdioTests((StdioCase("1\n", "2\n"), StdioCase("5\n", "6\n")))
    assert (problem.problem_id, problem.difficulty) == ("abc_1", 1)


def test_functional_tests_call_a_method_with_one_value_per_line(tmp_path):
    change = {
        "metadata": '{"func_name": "add"}',
        "starter_code": "class Solution:\n    def add(self, xs, s):\n",
        "public_test_cases": json.dumps([FUNCTIONAL]),
        "private_test_cases": packed([]),
    }
    (problem,) = load(tmp_path, {**ROW, **change})
    assert problem.decoded_tests == CallTests("Solution().add", (Case(([1, 2], "a"), 3),))
    assert "class Solution" in prompt(problem, PROTOCOLS["chat"])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"private_test_cases": "!"}, "private_test_cases"),
        ({"private_test_cases": base64.b64encode(b"x").decode()}, "private_test_cases"),
        ({"private_test_cases": packed([STDIN])[:-8]}, "private_test_cases"),
        (
            {"private_test_cases": base64.b64encode(zlib.compress(b"cos\nsystem\n(S'a'\ntR.")).decode()},
            "private_test_cases",
        ),
        ({"public_test_cases": json.dumps([FUNCTIONAL])}, "mixes"),
        ({"public_test_cases": json.dumps([FUNCTIONAL]), "private_test_cases": packed([])}, "func_name"),
        ({"public_test_cases": "[]", "private_test_cases": packed([])}, "no tests"),
        ({"question_content": None}, "question_content"),
    ],
)
def test_malformed_rows_are_named(tmp_path, change, problem):
    with pytest.raises(BadInput, match=problem) as caught:
        load(tmp_path, ROW, {**ROW, **change})
    assert caught.value.where.endswith("lcb.jsonl:2")


def test_a_zip_bomb_stops_at_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(livecodebench, "LARGEST_TESTS", 1000)
    with pytest.raises(BadInput, match="larger than"):
        load(tmp_path, {**ROW, "private_test_cases": packed([{**STDIN, "input": "1" * 2000}])})


def test_a_window_keeps_its_dates_and_needs_them(tmp_path):
    early, late = {**ROW, "contest_date": "2023-05-07"}, {**ROW, "question_id": "abc_2"}
    kept = load(tmp_path, early, late, start=date(2024, 1, 1), end=date(2024, 2, 3))
    assert [problem.problem_id for problem in kept] == ["abc_2"]
    assert window(tmp_path / "lcb.jsonl") == "2023-05-07..2024-02-03, 2 problems (no release)"
    undated = {name: value for name, value in ROW.items() if name != "contest_date"}
    assert len(load(tmp_path, undated)) == 1
    with pytest.raises(BadInput, match="contest_date"):
        load(tmp_path, undated, start=date(2024, 1, 1))


SOLUTIONS = {
    "1873_A": "for _ in range(int(input())):\n"
    "    s = input().strip()\n"
    "    print('YES' if sum(a != b for a, b in zip(s, 'abc')) in (0, 2) else 'NO')\n",
    "2727": "class Solution:\n"
    "    def countSeniors(self, details: List[str]) -> int:\n"
    "        return sum(int(one[11:13]) > 60 for one in details)\n",
    "abc301_a": "n = int(input())\ns = input().strip()\n"
    "t = s.count('T')\na = n - t\n"
    "print('T' if t > a or (t == a and s[-1] == 'A') else 'A')\n",
}
STYLES = {
    "for line in sys.stdin": "import sys\nlines = [line.strip() for line in sys.stdin]\n",
    "open(0)": "lines = open(0).read().split('\\n')\n",
    "sys.stdin.buffer": "import sys\nlines = sys.stdin.buffer.read().decode().split('\\n')\n",
}


def test_right_solutions_pass_and_wrong_ones_fail_on_the_real_sample(real_file, sandbox):
    found = list(problems(real_file("livecodebench_sample.jsonl")))
    right = [program(one, f"```python\n{SOLUTIONS[one.problem_id]}```", PROTOCOLS["chat"]) for one in found]
    assert [verdict.status for verdict in sandbox.run(right)] == ["passed"] * 3
    first_line_only = "input()\nprint('YES')\nimport os\nos._exit(0)\n"
    broken = [
        first_line_only,
        "class Solution:\n    def countSeniors(self, details):\n        return 0\n",
        "",
    ]
    wrong = [program(one, code, PROTOCOLS["base"]) for one, code in zip(found, broken, strict=True)]
    assert not any(verdict.passed for verdict in sandbox.run(wrong))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("write", ["print", "os.write"])
def test_every_way_to_read_and_write_passes(real_file, sandbox, style, write):
    one = next(iter(problems(real_file("livecodebench_sample.jsonl"))))
    out = "print(r)" if write == "print" else "import os; os.write(1, (r + '\\n').encode())"
    body = (
        "for s in lines[1:int(lines[0]) + 1]:\n"
        "    r = 'YES' if sum(a != b for a, b in zip(s, 'abc')) in (0, 2) else 'NO'\n"
        f"    {out}\n"
    )
    (verdict,) = sandbox.run([program(one, STYLES[style] + body, PROTOCOLS["base"])])
    assert verdict.status == "passed", verdict
