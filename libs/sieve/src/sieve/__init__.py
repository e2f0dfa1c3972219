"""The Sieve language (RFC 5228 and its extensions): parse, check, run over a message, give actions. No I/O.

`compile_script` makes a `Program` of a script's octets; `run` holds it over a message (`Received`) in a `Situation`
and gives an `Outcome`, `run_chain` does so for several scripts in a row. What a script asks of the world around it (mailboxes, lists, other scripts) goes through
`sieve.world`.
"""

from sieve.actions import Outcome
from sieve.capabilities import DELIVERY, IMAP_EVENTS
from sieve.chain import Stage, run_chain
from sieve.errors import RunError, ScriptError
from sieve.limits import DEFAULT_LIMITS, Limits
from sieve.message import Received
from sieve.program import Program
from sieve.run import run
from sieve.script import compile_script
from sieve.situation import Situation
from sieve.world import Notebook, Unanswered, World

__all__ = [
    "DEFAULT_LIMITS",
    "DELIVERY",
    "IMAP_EVENTS",
    "Limits",
    "Notebook",
    "Outcome",
    "Program",
    "Received",
    "RunError",
    "ScriptError",
    "Situation",
    "Stage",
    "Unanswered",
    "World",
    "compile_script",
    "run",
    "run_chain",
]
