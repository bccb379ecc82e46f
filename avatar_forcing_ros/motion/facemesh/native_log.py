"""Keeps MediaPipe's native chatter off the terminal while a graph starts; no variable or option of it does."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

CHATTER = re.compile(
    rb"^(?:INFO: Created TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|[IW]\d{4} \d\d:\d\d:[\d.]+ +\d+ (?:inference_feedback_manager|landmark_projection_calculator|gl_context))"
)


@contextmanager
def without_chatter() -> Iterator[None]:
    """Hold back what native code writes to stderr in this block, then let through all but the known chatter."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            held.seek(0)
            for line in held:
                if not CHATTER.match(line):
                    os.write(terminal, line)
            os.close(terminal)
