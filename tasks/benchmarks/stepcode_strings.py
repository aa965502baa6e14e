"""StepCode's second domain: text, by character and by word.

The rules of the first domain hold: an operation is total, leaves its argument alone, stands at most once in a problem,
and each of its wrong blocks differs in one line.
"""

from __future__ import annotations

import random
import string

from tasks.benchmarks.stepcode_domain import Domain
from tasks.benchmarks.stepcode_operations import EXTREMES, Operation, numbers

LETTERS = "aeiou" * 2 + string.ascii_lowercase
WORDS = range(4, 8)
WORD_LENGTHS = range(1, 7)
CAPITALS, DIGITS = 0.2, 0.12  # shares of characters


def by_character(body: str) -> str:
    """A loop over `s` that builds `t`; `body` is the loop's block."""
    indented = "\n".join("    " + line for line in body.split("\n"))
    return f't = ""\nfor c in s:\n{indented}\ns = t'


def by_word(body: str) -> str:
    """A loop over the words of `s` that builds the list `ws`."""
    indented = "\n".join("    " + line for line in body.split("\n"))
    return f'ws = []\nfor w in s.split():\n{indented}\ns = " ".join(ws)'


def _kept(condition: str) -> str:
    return f's = "".join(c for c in s if {condition})'


def _words(expression: str) -> str:
    return f's = " ".join({expression})'


KINDS = (
    {"word": "digits", "f": "isdigit", "other": "isalpha"},
    {"word": "capital letters", "f": "isupper", "other": "islower"},
    {"word": "spaces", "f": "isspace", "other": "isdigit"},
)
CASES = ({"word": "upper", "other": "lower"}, {"word": "lower", "other": "upper"})
SWAPS = tuple({"a": a, "b": b} for a, b in ("ao", "eu", "ie", "st"))

OPERATIONS = (
    Operation(
        "drop_kind",
        "drop the {word}",
        _kept("not c.{f}()"),
        (_kept("c.{f}()"), _kept("not c.{other}()")),
        KINDS,
    ),
    Operation(
        "drop_vowels",
        "drop the vowels",
        _kept('c not in "aeiouAEIOU"'),
        (_kept('c in "aeiouAEIOU"'), _kept('c not in "aeiou"')),
    ),
    Operation(
        "drop_echoes",
        "drop each character equal to the one before",
        by_character("if c != t[-1:]:\n    t += c"),
        (by_character("if c not in t:\n    t += c"), by_character("if c == t[-1:]:\n    t += c")),
    ),
    Operation(
        "drop_first",
        "drop the first {k} characters",
        "s = s[{k}:]",
        ("s = s[{more}:]", "s = s[:-{k}]"),
        numbers(2, 3, 4),
    ),
    Operation(
        "keep_first",
        "keep the first {k} characters",
        "s = s[:{k}]",
        ("s = s[:{less}]", "s = s[-{k}:]"),
        numbers(12, 15, 18),
    ),
    Operation("every_second", "keep every second character", "s = s[::2]", ("s = s[1::2]", "s = s[::3]")),
    Operation("reverse", "reverse it", "s = s[::-1]", ("s = s[::1]", "s = s[:0:-1]")),
    Operation("case", "write it in {word} case", "s = s.{word}()", ("s = s.{other}()",), CASES),
    Operation(
        "swap_case", "swap upper and lower case", "s = s.swapcase()", ("s = s.upper()", "s = s.lower()")
    ),
    Operation(
        "sort",
        "sort the characters, {word} first",
        's = "".join(sorted(s, reverse={code}))',
        ('s = "".join(sorted(s, reverse={other}))',),
        (
            {"word": "smallest", "code": "False", "other": "True"},
            {"word": "largest", "code": "True", "other": "False"},
        ),
    ),
    Operation(
        "replace",
        "replace each {a} by {b}",
        's = s.replace("{a}", "{b}")',
        ('s = s.replace("{b}", "{a}")', 's = s.replace("{a}", "{b}", 1)'),
        SWAPS,
    ),
    Operation(
        "shift",
        "shift each small letter {k} places in the alphabet, from z on to a",
        by_character('if "a" <= c <= "z":\n    c = chr((ord(c) - 97 + {k}) % 26 + 97)\nt += c'),
        (
            by_character('if "a" <= c <= "z":\n    c = chr((ord(c) - 97 - {k}) % 26 + 97)\nt += c'),
            by_character('if "a" <= c <= "z":\n    c = chr((ord(c) - 97 + {more}) % 26 + 97)\nt += c'),
        ),
        numbers(1, 3, 5),
    ),
    Operation(
        "rotate",
        "move the first {k} characters to the end",
        "s = s[{k}:] + s[:{k}]",
        ("s = s[-{k}:] + s[:-{k}]", "s = s[{k}:] + s[:{more}]"),
        numbers(2, 3, 5),
    ),
    Operation(
        "reverse_words",
        "reverse the order of the words",
        _words("s.split()[::-1]"),
        (_words("s.split()[::1]"), _words("w[::-1] for w in s.split()")),
    ),
    Operation(
        "mirror_words",
        "reverse each word",
        _words("w[::-1] for w in s.split()"),
        (_words("w for w in s.split()"), _words("w[:0:-1] for w in s.split()")),
    ),
    Operation(
        "sort_words",
        "sort the words by length, the {word} first",
        _words("sorted(s.split(), key=lambda w: {code})"),
        (_words("sorted(s.split(), key=lambda w: {other})"), _words("sorted(s.split())")),
        (
            {"word": "shortest", "code": "len(w)", "other": "-len(w)"},
            {"word": "longest", "code": "-len(w)", "other": "len(w)"},
        ),
    ),
    Operation(
        "drop_short",
        "drop the words of fewer than {k} characters",
        _words("w for w in s.split() if len(w) >= {k}"),
        (_words("w for w in s.split() if len(w) > {k}"), _words("w for w in s.split() if len(w) < {k}")),
        numbers(2, 3),
    ),
    Operation(
        "repeat_last",
        "repeat the last character of each word",
        _words("w + w[-1] for w in s.split()"),
        (_words("w + w[0] for w in s.split()"), _words("w[:-1] + w[0] for w in s.split()")),
    ),
    Operation(
        "count_kind",
        "count the {word}",
        "return sum(c.{f}() for c in s)",
        ("return sum(c.{other}() for c in s)", "return sum(not c.{f}() for c in s)"),
        ({"word": "letters", "f": "isalpha", "other": "isupper"}, *KINDS[:1]),
        reduces=True,
    ),
    Operation(
        "length",
        "tell its length",
        "return len(s)",
        ("return len(s) + 1", "return len(set(s))"),
        reduces=True,
    ),
    Operation(
        "count_different",
        "count the different characters",
        "return len(set(s))",
        ("return len(s)", "return len(set(s)) - 1"),
        reduces=True,
    ),
    Operation(
        "count_words",
        "count the words",
        "return len(s.split())",
        ("return len(set(s))", "return len(s.split()) - 1"),
        reduces=True,
    ),
    Operation(
        "word_lengths",
        "list the lengths of the words",
        "return [len(w) for w in s.split()]",
        ("return [len(w) - 1 for w in s.split()]", "return [len(s) for w in s.split()]"),
        reduces=True,
    ),
    Operation(
        "extreme_word",
        "tell the length of the {word} word, 0 without words",
        "return {f}((len(w) for w in s.split()), default=0)",
        ("return {other}((len(w) for w in s.split()), default=0)", "return len(s.split())"),
        ({"word": "shortest", "f": "min", "other": "max"}, {"word": "longest", "f": "max", "other": "min"}),
        reduces=True,
    ),
)


def _run_lengths(reset: str, many: str) -> str:
    return (
        't = ""\nn = 0\nfor i, c in enumerate(s):\n    n += 1\n    if i + 1 == len(s) or s[i + 1] != c:\n'
        f"        t += c\n        if n > {many}:\n            t += str(n)\n        n = {reset}\ns = t"
    )


def _from_both_ends(first: str, second: str) -> str:
    return (
        f't = ""\na = 0\nb = len(s) - 1\nwhile a < b:\n    t += s[{first}]\n    t += s[{second}]\n'
        "    a += 1\n    b -= 1\nif a == b:\n    t += s[a]\ns = t"
    )


def _bracketed(opens: str, closes: str) -> str:
    before = f'if c.isdigit() and not inside:\n    t += "{opens}"'
    after = f'if inside and not c.isdigit():\n    t += "{closes}"'
    return "inside = False\n" + by_character(f"{before}\n{after}\ninside = c.isdigit()\nt += c")


def _alternating(first: str, second: str) -> str:
    body = f"if up:\n    ws.append(w.{first}())\nelse:\n    ws.append(w.{second}())\nup = not up"
    return f"up = True\n{by_word(body)}"


def _at_most(limit: str, counted: str) -> str:
    body = f"if c not in n:\n    n[c] = 0\nif n[c] < {limit}:\n    t += c\nn[c] += {counted}"
    return "n = dict()\n" + by_character(body)


def _padded(short: str, mark: str) -> str:
    return by_word(
        f'while len(w) < {short}:\n    w += "{mark}"\nif len(w) > {{k}}:\n    w = w[:{{k}}]\nws.append(w)'
    )


def _joined(longer: str, last: str) -> str:
    return by_word(f"if ws and len(w) {longer} {{k}}:\n    ws[-1] = {last}\nelse:\n    ws.append(w)")


def _swapped(first: str, second: str) -> str:
    return (
        't = ""\ni = 0\nwhile i < len(s):\n    if i + 1 < len(s):\n'
        f"        t += s[{first}]\n        t += s[{second}]\n    else:\n        t += s[i]\n    i += 2\ns = t"
    )


def _by_kind(vowel: str, letter: str) -> str:
    return by_character(
        f'if c in "aeiou":\n    t += {vowel}\nelif c.isalpha():\n    t += {letter}\nelse:\n    t += c'
    )


def _extreme_of_neighbours(before: str, after: str) -> str:
    return (
        't = ""\nfor i in range(len(s)):\n    c = s[i]\n'
        f"    if i > 0:\n        c = {before}(c, s[i - 1])\n"
        f"    if i + 1 < len(s):\n        c = {after}(c, s[i + 1])\n    t += c\ns = t"
    )


LONG_OPERATIONS = (
    Operation(
        "run_lengths",
        "write each run of one character as the character and, above 1, its length",
        _run_lengths("0", "1"),
        (_run_lengths("1", "1"), _run_lengths("0", "2")),
    ),
    Operation(
        "both_ends",
        "take characters from the front and the back in turn",
        _from_both_ends("a", "b"),
        (_from_both_ends("b", "a"), _from_both_ends("a", "a")),
    ),
    Operation(
        "bracket_digits",
        "put < before each run of digits, and > before what follows it",
        _bracketed("<", ">"),
        (_bracketed(">", ">"), _bracketed("<", "<")),
    ),
    Operation(
        "alternate_case",
        "write the words in upper and lower case in turn",
        _alternating("upper", "lower"),
        (_alternating("lower", "lower"), _alternating("upper", "upper")),
    ),
    Operation(
        "at_most",
        "keep at most {k} of each character",
        _at_most("{k}", "1"),
        (_at_most("{more}", "1"), _at_most("{k}", "2")),
        numbers(2, 3),
    ),
    Operation(
        "pad_words",
        "make each word {k} long: pad with -, cut what is longer",
        _padded("{k}", "-"),
        (_padded("{less}", "-"), _padded("{k}", "+")),
        numbers(3, 4),
    ),
    Operation(
        "join_short",
        "join each word of up to {k} characters to the word before",
        _joined("<=", "ws[-1] + w"),
        (_joined(">", "ws[-1] + w"), _joined("<=", "w + ws[-1]")),
        numbers(2, 3),
    ),
    Operation(
        "swap_pairs",
        "swap the characters of each pair of neighbours",
        _swapped("i + 1", "i"),
        (_swapped("i", "i"), _swapped("i + 1", "i + 1")),
    ),
    Operation(
        "by_kind",
        "write small vowels twice, other letters in the other case",
        _by_kind("c + c", "c.swapcase()"),
        (_by_kind("c", "c.swapcase()"), _by_kind("c + c", "c.upper()")),
    ),
    Operation(
        "neighbour_extreme",
        "replace each character by the {word} of it and its neighbours",
        _extreme_of_neighbours("{f}", "{f}"),
        (_extreme_of_neighbours("{other}", "{f}"), _extreme_of_neighbours("{f}", "{other}")),
        EXTREMES,
    ),
)


def random_text(rng: random.Random) -> str:
    return " ".join(_word(rng) for _ in range(rng.choice(WORDS)))


def _word(rng: random.Random) -> str:
    return "".join(_character(rng) for _ in range(rng.choice(WORD_LENGTHS)))


def _character(rng: random.Random) -> str:
    kind = rng.random()
    if kind < DIGITS:
        return rng.choice(string.digits)
    letter = rng.choice(LETTERS)
    return letter.upper() if kind < DIGITS + CAPITALS else letter


def edge_cases(rng: random.Random) -> list[str]:
    """Empty, one character, one long word, full of duplicates."""
    few = [_character(rng) for _ in range(2)]
    word = "".join(_character(rng) for _ in range(9))
    return ["", _character(rng), word, "".join(rng.choices([*few, " "], k=12))]


STRINGS = Domain("strings", "s", "stepcode/strings", OPERATIONS, LONG_OPERATIONS, random_text, edge_cases)
