"""Arrow texts made from bytes. The first array or scalar that Arrow makes of Python values loads pandas, which takes
longer than many a run: what every run needs is made here instead."""

from array import array
from collections.abc import Sequence
from itertools import accumulate

import pyarrow as pa


def texts(values: Sequence[str]) -> pa.Array:
    """An Arrow array of texts, none of them NULL."""
    encoded = [value.encode() for value in values]
    places = array("i", accumulate((len(value) for value in encoded), initial=0))
    return pa.StringArray.from_buffers(len(encoded), pa.py_buffer(places), pa.py_buffer(b"".join(encoded)))


def text(value: str) -> pa.Scalar:
    """One Arrow text."""
    return texts((value,))[0]
