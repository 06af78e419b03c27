"""The study: every arm over several seeds, and what the paired differences say."""
