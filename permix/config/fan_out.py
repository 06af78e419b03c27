"""Beyond one machine: which Ray cluster does the parts of evaluation and curation."""

from __future__ import annotations

from pydantic import Field

from permix.config.section import Section


class FanOutSettings(Section):
    """Evaluation and curation in shards, on a Ray cluster (docs/ray.md); nothing here changes a result."""

    address: str = Field("local", pattern=r"^(local|(ray://)?[^\s/:]+:\d+)$")
    """`local`: a cluster of the stage's own, on this machine's cores and loopback, which ends with it. Else the address
    of one that runs: `HOST:6379` from one of its nodes, `ray://HOST:10001` from anywhere."""
    shards: int = Field(4, ge=1)
    """Shards under way at a time; as many as the cluster has workers, and some that wait, keep it busy."""
    gpus: float = Field(0, ge=0)
    """GPUs that a shard of generation holds; 0 for a cluster without."""
