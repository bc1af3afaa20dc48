def printable(text: str) -> str:
    """Escape line breaks and all else that is not printable."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
