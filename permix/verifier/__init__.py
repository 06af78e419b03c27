"""Is this completion's answer the gold answer? One function for reward and for evaluation."""
