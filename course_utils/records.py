"""Measurements that take minutes and are made once, with the full budget: everyone else reads what was measured."""

import json
import time

from . import checkpoints, paths, runtime


def recorded_run(name, **parts):
    """What a long measurement gave, a dict: made anew and written down with the full budget, read with any other.

    name: of the file in ``data/checkpoints``, "05_designs" for example.  parts: its entries; a function without arguments is called,
    on one thread so that runs compare, and what it returns is kept (anything that JSON can say).  The record also says on which date it
    was made, and whether in bfloat16.  Raises FileNotFoundError when there is no record and the budget isn't "full".
    """
    if runtime.budget() == "full":
        record = _measured(parts)
        paths.write_atomic(_file(name), (json.dumps(record, indent=1) + "\n").encode())
    return read(name)


def read(name):
    """A record as it was written down, a dict.  Raises FileNotFoundError."""
    return json.loads(_file(name).read_text("utf8"))


def _file(name):
    return checkpoints.folder() / f"{name}.json"


def _measured(parts):
    import torch

    with runtime.one_thread():
        made = {key: part() if callable(part) else part for key, part in parts.items()}
    bfloat16 = isinstance(runtime.autocast(), torch.autocast)
    return {"date": time.strftime("%Y-%m-%d"), "bfloat16": bfloat16} | made
