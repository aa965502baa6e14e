"""Lines, neutral lines and line-end tokens against Python's own tokenizer and parser, on generated programs."""

from __future__ import annotations

import ast
import io
import itertools
import tokenize

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tasks.method.lines import line_end_tokens, neutral_lines, split_lines

PROMPT = 'def solve(xs):\n    """\n    1. keep # the even numbers\n    """\n'

# statements of a function body with what each of their lines is
CODE = [
    ("xs = [x for x in xs]\n", [False]),
    ("y = 1  # a comment behind code\n", [False]),
    ("s = '# not a comment'\n", [False]),
    ('t = """first\n\n# inside a string\n"""\n', [False] * 4),
    ("xs = [\n    1,\n    # why one\n\n    2,\n]\n", [False, False, True, True, False, False]),
    ("z = 1 + \\\n    2\n", [False, False]),
    ("if xs:\n    pass\n", [False, False]),
    ('f"{xs.pop()}"\n', [False]),
    ('y = 1; "not alone"\n', [False]),
]
NEUTRAL = [
    ("# a comment\n", [True]),
    ("\n", [True]),
    ("        \n", [True]),
    ('"""a docstring"""\n', [True]),
    ("'''a docstring\n\n# of three\nlines'''\n", [True] * 4),
    ("'one' 'two'\n", [True]),
    ("r'raw'  # and a comment\n", [True]),
]
BODIES = st.lists(st.sampled_from(CODE + NEUTRAL), min_size=1, max_size=8)


def indented(block: str) -> str:
    return "".join(f"    {line}" if line.strip() else line for line in block.splitlines(keepends=True))


@given(BODIES)
def test_planted_neutral_lines_are_found(body):
    response = "".join(indented(text) for text, _ in body)
    assert neutral_lines(PROMPT, response) == list(itertools.chain(*(kinds for _, kinds in body)))


@given(BODIES)
def test_a_program_without_its_neutral_lines_is_the_same_program(body):
    """The parser's view: emptying every neutral line removes nothing but strings that stand alone."""
    response = "".join(indented(text) for text, _ in body) + "    return xs\n"
    kept = [
        "\n" if skip else line
        for line, skip in zip(split_lines(response), neutral_lines(PROMPT, response), strict=True)
    ]
    assert _tree(PROMPT + "".join(kept)) == _tree(PROMPT + response)


@given(BODIES)
def test_emptying_a_code_line_changes_or_breaks_the_program(body):
    """Negative control of the test above: no line is called code that does nothing."""
    response = "".join(indented(text) for text, _ in body)
    lines = split_lines(response)
    for index, skip in enumerate(neutral_lines(PROMPT, response)):
        emptied = "".join([*lines[:index], "\n", *lines[index + 1 :]])
        if (
            not skip and lines[index].strip()
        ):  # a blank line inside a string is code, and emptying it is nothing
            assert _tree(PROMPT + emptied) != _tree(PROMPT + response)


def _tree(source: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return "does not parse"
    for node in ast.walk(tree):
        if isinstance(getattr(node, "body", None), list):
            node.body = [statement for statement in node.body if not _stands_alone(statement)]
    return ast.dump(tree)


def _stands_alone(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@given(
    st.lists(st.sampled_from([*"abc'\"#\\([{)]}:=\n\n \t\x0c\r\u2028é0$?", "    ", '"""', "if x:\n"])).map(
        "".join
    )
)
@example("\u2028#")  # white space to str.strip, an error to Python
@settings(max_examples=300)
def test_any_text_has_one_verdict_per_line_and_tokenizing_text_agrees_with_the_tokenizer(text):
    verdicts = neutral_lines("", text)
    assert len(verdicts) == len(split_lines(text))
    assert "".join(split_lines(text)) == text
    for row in _rows_of_lone_comments(text):
        assert verdicts[row - 1]


def _rows_of_lone_comments(text: str) -> list[int]:
    """Rows where Python's tokenizer sees a comment with nothing before it; none where it gives up."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text, newline="\n").readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [
        token.start[0]
        for token in tokens
        if token.type == tokenize.COMMENT and not token.line[: token.start[1]].strip(" \t\f\r")
    ]


@pytest.mark.parametrize(
    "response, expected",
    [
        ("", []),
        ("    return xs", [False]),
        ("    # only\n    # comments", [True, True]),
        ("    x = (1,\n    # open for ever\n", [False, True]),
        ('    # before\n    s = """never closed\n\n# in it\n', [True, False, False, False]),
        ("    if x:\n  y = 1\n\n# after a wrong indent\n", [False, False, True, True]),
        ("    x = 'unclosed\n    # comment\n", [False, True]),
        ("    'unclosed\n", [False]),
    ],
)
def test_unfinished_and_broken_programs_have_a_rule(response, expected):
    assert neutral_lines(PROMPT, response) == expected


def test_a_response_that_continues_the_prompts_last_line_is_judged_by_its_own_part():
    assert neutral_lines("def f(x):\n    y = x", "  # tail\n    return y\n") == [True, False]
    assert neutral_lines("def f(x):\n    y = ", "x  # tail\n    return y\n") == [False, False]


def test_a_docstring_the_prompt_left_open_is_neutral_until_it_ends():
    assert neutral_lines('def f(x):\n    """Doc', ' goes on\n    """\n    return x\n') == [True, True, False]


@given(st.lists(st.sampled_from([b"a", b"\n", b"ab\n", b"\n\n", b"\nb", b"", b"\xc3", b"\xa9\n"])))
def test_line_end_tokens_are_those_that_hold_the_last_byte(pieces):
    text = b"".join(pieces)
    owner = [index for index, piece in enumerate(pieces) for _ in piece]
    lengths = itertools.accumulate(len(line) for line in text.splitlines(keepends=True))
    assert line_end_tokens(pieces) == [owner[length - 1] for length in lengths]
