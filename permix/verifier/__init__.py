"""Is this completion's answer the gold answer? One function for reward and for evaluation."""

from permix.verifier.contradiction import contradiction
from permix.verifier.reading import BOXED, Place, Read, check_read, find_answer
from permix.verifier.verdict import Verdict
from permix.verifier.verify import gold_reason, verify, verify_each

__all__ = [
    "BOXED",
    "Place",
    "Read",
    "Verdict",
    "check_read",
    "contradiction",
    "find_answer",
    "gold_reason",
    "verify",
    "verify_each",
]
