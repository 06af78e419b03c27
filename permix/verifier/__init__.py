"""Is this completion's answer the gold answer? One function for reward and for evaluation."""

from permix.verifier.verdict import Verdict
from permix.verifier.verify import gold_reason, verify, verify_each

__all__ = ["Verdict", "gold_reason", "verify", "verify_each"]
