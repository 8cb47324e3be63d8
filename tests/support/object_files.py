"""What an ELF object file of 64 bits gives to others and takes from them."""

import struct

ELF, SYMBOLS, SECTION, SYMBOL = b"\x7fELF\x02\x01", 2, 64, 24
ELSEWHERE, LOCAL = 0, 0
"""The section of symbols that a file lacks, and the binding of those that no other file sees."""


def symbols(code):
    """The names of the symbols that are not the file's own: a set of those it defines, a set of those it lacks."""
    (start,), (count,) = struct.unpack_from("<Q", code, 40), struct.unpack_from("<H", code, 60)
    sections = [struct.unpack_from("<IIQQQQIIQQ", code, start + SECTION * i) for i in range(count)]
    defined, missing = set(), set()
    for _, kind, _, _, offset, size, link, *_ in sections:
        if kind == SYMBOLS:
            names = sections[link][4]
            for place in range(offset + SYMBOL, offset + size, SYMBOL):
                name, info, _, section = struct.unpack_from("<IBBH", code, place)
                text = code[names + name : code.index(0, names + name)].decode()
                if section == ELSEWHERE:
                    missing.add(text)
                elif info >> 4 != LOCAL:
                    defined.add(text)
    return defined, missing
