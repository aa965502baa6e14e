"""Names and strings beyond ASCII."""

значение = 2
文字 = "ключ"
café = {文字: значение}


def double(n):
    return café[文字] * n


名前 = "\N{SNOWMAN} 🙂"
assert len(名前) == 3
