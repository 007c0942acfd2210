"""What Python and torch raise at content that is not what it says it is."""

from __future__ import annotations

import lzma
import zipfile
import zlib

UNPACKING = (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile)

# No MemoryError: a model may be right and too large. Readers of files that claim sizes add it.
DAMAGE = (
    *UNPACKING,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    AssertionError,  # torch's, of settings that no module takes
    RuntimeError,  # torch's too, of shapes; nesting without end; kinds of zip that Python cannot read
)
