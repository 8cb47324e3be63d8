"""Files of text: which belong to a source, of which class and split, and their lines."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dlrun.data.sources.base import Column, Description, Raw, Store
from dlrun.errors import DataError

Encoding = Literal["utf8", "latin1"]
SPLITS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}
PIECE = re.compile(r".{1,256}(?=\s|\Z)|.{1,256}", re.DOTALL)
"""A stream is handled in pieces of so many characters, which end before a blank where there is one."""


@dataclass(frozen=True)
class TextFile:
    """A file, its split ("all" where there are none) and its class; `whole` where it is one example, not one a line."""

    path: Path
    split: str = "all"
    label: str | None = None
    whole: bool = False


def list_files(root: Path, pattern: str | None) -> list[TextFile]:
    """The files of a source, in the order of splits, classes and names; raises DataError where there are none.

    A file is that file. A folder holds a folder for each class, or a file for each class, or train, validation (val)
    and test, each a file or a folder like these.
    """
    if root.is_file():
        return [TextFile(root)]
    folders, files = _folders(root), _files(root, pattern)
    if folders and all(folder.name in SPLITS for folder in folders):
        found = [
            TextFile(each.path, SPLITS[folder.name], each.label, each.whole)
            for folder in folders
            for each in _classes(folder, pattern)
        ]
    elif files and all(_stem(file) in SPLITS for file in files):
        found = [TextFile(file, SPLITS[_stem(file)]) for file in files]
    else:
        found = _classes(root, pattern)
    if not found:
        named = f"named {pattern}" if pattern else "that end in .txt"
        raise DataError(f"there are no files in {root} {named}", help="the source's `files` is the pattern of names")
    order = ("all", "train", "validation", "test")
    return sorted(found, key=lambda each: order.index(each.split))


def class_names(files: Sequence[TextFile]) -> tuple[str, ...]:
    """The classes, in the order of the alphabet; raises DataError for one that only other splits have."""
    training = {file.label for file in files if file.split in ("all", "train") and file.label is not None}
    for file in files:
        if file.label is not None and file.label not in training:
            raise DataError(f"{file.path} is of the class {file.label!r}, of which there is no training text")
    return tuple(sorted(training))


def read_text(path: Path, encoding: Encoding) -> str:
    """A file's text, gunzipped where its name ends in .gz, lines ending in \\n; raises DataError."""
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        text = content.decode(encoding)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged: {error}", help="replace it by a whole copy") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} isn't {encoding} text: byte {error.start}", help="try encoding: latin1") from None
    except OSError as error:
        raise DataError(f"can't read {path}: {error.strerror or error}") from None
    if "\0" in text[:4096]:
        raise DataError(f"{path} is no text: it holds binary data")
    return text.replace("\r\n", "\n")


def lines_of(text: str) -> list[str]:
    """The lines, without blanks around them and without empty ones. Only \\n ends a line."""
    return [line for line in (each.strip() for each in text.split("\n")) if line]


def read_examples(files: Sequence[TextFile], encoding: Encoding) -> list[tuple[TextFile, str]]:
    """Each example with its file; raises DataError where there is none."""
    examples = []
    for file in files:
        text = read_text(file.path, encoding)
        examples += [(file, line) for line in ([text.strip()] if file.whole else lines_of(text))]
    if not examples:
        raise DataError(f"{files[0].path} holds no text")
    return examples


def read_pieces(files: Sequence[TextFile], encoding: Encoding) -> list[tuple[TextFile, str]]:
    """The pieces of a stream with their files: one after the other they are the text. Raises DataError."""
    pieces = [(file, piece) for file in files for piece in PIECE.findall(read_text(file.path, encoding))]
    if not pieces:
        raise DataError(f"{files[0].path} holds no text")
    return pieces


def describe_text(classes: tuple[str, ...], rows: Mapping[str, int], values: tuple[str, ...] = ()) -> Description:
    """A source with the column "text", and "label" where there are classes."""
    columns = {"text": Column("text", "text", original="str", values=values)}
    if classes:
        columns["label"] = Column("label", "labels", original="str", values=classes)
    return Description(columns, rows, "label" if classes else None)


def text_columns(
    rows: Sequence[tuple[TextFile, str]], classes: tuple[str, ...], store: Store, wanted: Collection[str] | None
) -> Raw:
    """The columns "text" (codes of the distinct texts) and "label" of rows in the order of their splits."""
    counts: dict[str, int] = {}
    for file, _ in rows:
        counts[file.split] = counts.get(file.split, 0) + 1
    values, codes = encode_texts(text for _, text in rows)
    description = describe_text(classes, counts, values)
    number = {name: index for index, name in enumerate(classes)}
    arrays = {}
    for name in description.columns:
        if wanted is None or name in wanted:
            arrays[name] = store.array(name, (len(rows),), "int32")
            arrays[name][:] = codes if name == "text" else [number[str(file.label)] for file, _ in rows]
    return Raw(description, arrays)


def encode_texts(texts: Iterable[str]) -> tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.int32]]]:
    """The distinct texts in the order of the alphabet, and the place of each text among them, (rows,) int32."""
    given = list(texts)
    values = tuple(sorted(set(given)))
    place = {text: index for index, text in enumerate(values)}
    return values, np.array([place[text] for text in given], np.int32)


def _classes(folder: Path, pattern: str | None) -> list[TextFile]:
    """A folder of examples for each class, or a file of lines for each; a single file has no class."""
    folders = _folders(folder)
    if folders:
        return [TextFile(file, "all", each.name, True) for each in folders for file in _files(each, pattern)]
    files = _files(folder, pattern)
    if len(files) < 2:
        return [TextFile(file) for file in files]
    return [TextFile(file, "all", label) for file, label in zip(files, distinct_names(files), strict=True)]


def distinct_names(files: Sequence[Path]) -> list[str]:
    """What tells the files' names apart: pos and neg of rt-polarity.pos and rt-polarity.neg, spam of spam.txt."""
    parts = [file.name.removesuffix(".gz").split(".") for file in files]
    if len({len(each) for each in parts}) > 1:
        return [".".join(each) for each in parts]
    same = [len(set(column)) == 1 for column in zip(*parts, strict=True)]
    return [".".join(part for part, is_same in zip(each, same, strict=True) if not is_same) for each in parts]


def _stem(file: Path) -> str:
    return file.name.split(".")[0]


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _files(folder: Path, pattern: str | None) -> list[Path]:
    patterns = [pattern] if pattern else ["*.txt", "*.txt.gz"]
    found = {path for each in patterns for path in folder.glob(each) if path.is_file()}
    return sorted(path for path in found if not path.name.startswith("."))
