"""Read a body as JSON, as every vendor does that speaks it."""

from __future__ import annotations

import json
from typing import Any

from wfm.errors import BadReplyError


def document(body: bytes) -> Any:
    """Read JSON; NaN and Infinity, which are not figures, are nothing.

    Raises:
        BadReplyError: it is none; what it says of that repeats no byte, which may be of a secret.
    """
    try:
        return json.loads(body, parse_constant=lambda _: None)
    except json.JSONDecodeError as wrong:
        why = f"{wrong.msg} at character {wrong.pos:,} of {len(wrong.doc):,}"
    except RecursionError:
        why = "it is nested too deeply"
    except ValueError as wrong:  # UnicodeDecodeError, or a number of too many digits
        why = (
            "its characters are not UTF-8"
            if isinstance(wrong, UnicodeError)
            else "a number in it is too long"
        )
    raise BadReplyError(f"the reply is not JSON: {why}")
