"""Arrays larger than memory: read from files in blocks, written whole or not at all."""

from matgrad.streaming.blocks import Box, blocks, broadcast_box
from matgrad.streaming.errors import FileError
from matgrad.streaming.outputs import NewArray, check_target, new_arrays
from matgrad.streaming.sources import Source, open_source

__all__ = [
    "Box",
    "FileError",
    "NewArray",
    "Source",
    "blocks",
    "broadcast_box",
    "check_target",
    "new_arrays",
    "open_source",
]
