"""Code out of messy responses."""

from __future__ import annotations

import pytest

from tasks.benchmarks.benchmark import Protocol, benchmark
from tasks.benchmarks.extraction import fenced_code, prompt_helpers, until_stop, with_prompt_parts
from tasks.errors import BadInput

CODE = "def f(x):\n    return x + 1\n"


@pytest.mark.parametrize(
    "response",
    [
        f"```python\n{CODE}```",
        f"Sure! Here it is:\n\n```python\n{CODE}```\nIt adds one to `x`.",
        f"```\n{CODE}```",
        f"~~~py\n{CODE}~~~",
        f"```python\n{CODE}",
        f"```bash\npip install nothing\n```\n```python\n{CODE}```",
        f"First:\n```python\ndef g(x):\n    return None  # longer, but not asked for\n```\nNow:\n```python\n{CODE}```",
        f"```python\n{CODE}```\nUse it like this:\n```python\nprint(f(1))\n```",
        f"```python\n{CODE}```".replace("\n", "\r\n"),
        CODE,
        f"The function is below.\n\n{CODE}\nThis adds one.",
        f"I'd import nothing. Here goes\n{CODE}Hope that helps!",
    ],
    ids=[
        "fence", "prose around", "no language", "tildes", "unclosed", "shell block first", "two tries", "usage after",
        "crlf", "bare", "bare with prose", "bare, prose touching",
    ],
)  # fmt: skip
def test_the_function_is_found(response):
    code = fenced_code(response, "f")
    space: dict = {}
    exec(code, space)
    assert space["f"](1) == 2


def test_tabs_survive():
    code = fenced_code("```python\ndef f(x):\n\tif x:\n\t\treturn 2\n\treturn 1\n```", "f")
    space: dict = {}
    exec(code, space)
    assert space["f"](0) == 1


def test_an_unfinished_last_line_is_not_repaired():
    with pytest.raises(SyntaxError):
        compile(fenced_code("```python\ndef f(x):\n    return (x +", "f"), "response", "exec")


def test_prose_alone_is_handed_on_and_fails_later():
    assert fenced_code("I cannot do this.", "f") == "I cannot do this."


def test_the_first_stop_word_ends_a_completion():
    stop = ("\ndef ", "\nprint")
    assert until_stop("    return 1\n\nprint(f(2))\ndef g(): pass", stop) == "    return 1\n"
    assert until_stop("    return 1\n", stop) == "    return 1\n"


PROMPT = 'import math\nLIMIT = 3\n\n\ndef helper(x):\n    return x * 2\n\n\ndef f(x):\n    """Doc."""\n'


def test_helpers_are_what_stands_beside_the_function():
    space: dict = {}
    exec(prompt_helpers(PROMPT, "f"), space)
    assert space["helper"](2) == 4
    assert space["LIMIT"] == 3
    assert "math" in space
    assert "f" not in space


@pytest.mark.parametrize(
    "answer",
    [
        "def f(x):\n    return helper(x) + LIMIT\n",
        "    return helper(x) + LIMIT\n",
        "def helper(x):\n    return x * 2\n\ndef f(x):\n    return helper(x) + LIMIT\n",
    ],
    ids=["function only", "body only", "function and helper"],
)
def test_answers_get_the_parts_of_the_prompt_they_need(answer):
    space: dict = {}
    exec(with_prompt_parts(PROMPT, answer, "f"), space)
    assert space["f"](1) == 5


def test_a_protocol_turns_a_response_into_code():
    assert Protocol("base", stop=("\ndef ",)).code("    pass\r\n\r\ndef g(): ...", "f") == "    pass\n"
    assert Protocol("chat", extraction="fenced").code(f"Hi\n```python\n{CODE}```", "f") == CODE
    assert Protocol("whole", extraction="whole").code(CODE, "f") == CODE


def test_an_unknown_benchmark_is_refused():
    with pytest.raises(BadInput, match="allowed: humaneval, mbpp"):
        benchmark("humaneval2")
