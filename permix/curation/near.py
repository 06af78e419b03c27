"""Near-duplicates among a million texts, in memory that hardly grows: MinHash and locality-sensitive hashing.

Of each text only the hashes of its bands are held (8 bytes each, 10 bands at a threshold of 0.8); a band that two texts
have in common makes them a candidate pair (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, chapter 3). The
signatures, and how many bands of how many rows a threshold asks for, are datasketch's. Its index is not used: for
50,000 texts it took 185 MB, which is 3.7 GB for a million. Here the bands are sorted, once, at the end.

Candidates are then compared exactly, so that no pair below the threshold is ever named. A pair at the threshold is
missed with a probability of 1 % (0.7), 5 % (0.8) or 7 % (0.95), a nearer one with less.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence

import numpy as np

from permix.curation.text import shingles

PERMUTATIONS = 64
"""Length of a signature."""
# A false candidate costs one comparison, a missed pair is lost: recall is what the bands are chosen for.
WEIGHTS = (0.02, 0.98)


class Bands:
    """The bands of texts, in the order in which they were added.

    A text comes with a key: only texts of one key are ever paired. What is made from one template with other numbers
    in it would otherwise be near everything else that is.
    """

    def __init__(self, threshold: float) -> None:
        from datasketch import MinHashLSH

        index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=WEIGHTS)
        self.bands, self.rows = index.b, index.r
        self._multipliers = np.random.Generator(np.random.PCG64(0)).integers(1, 2**63, self.rows, dtype=np.uint64) | 1
        self._hashes: list[np.ndarray] = []

    def add(self, texts: Sequence[str], keys: Sequence[str]) -> None:
        """Take up some texts; the place of each is the number of texts before it."""
        from datasketch import MinHash

        if not texts:
            return
        sets = ([shingle.encode() for shingle in shingles(text)] for text in texts)
        # crc32 is the same on every machine, a tenth of SHA-1's time, and datasketch mixes its bits.
        options = {"num_perm": PERMUTATIONS, "hashfunc": zlib.crc32}
        signatures = np.stack([found.hashvalues for found in MinHash.generator(sets, **options)])
        used = signatures[:, : self.bands * self.rows].astype(np.uint64).reshape(-1, self.bands, self.rows)
        key_hashes = [hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys]
        own = np.frombuffer(b"".join(key_hashes), dtype="<u8")
        self._hashes.append((used * self._multipliers).sum(axis=2) + own[:, None])

    def candidates(self) -> np.ndarray:
        """Places of pairs that may be near, later and earlier, shape (pairs, 2); in order, each once.

        In a band that many texts share each is paired with the one before it and with the first: all pairs of a
        thousand texts made from one template would be half a million.
        """
        if not self._hashes:
            return np.empty((0, 2), dtype=np.int64)
        hashes = np.concatenate(self._hashes)
        found: list[np.ndarray] = []
        for band in hashes.T:
            # Stable, hence the texts of one hash stand in the order of their places.
            order = np.argsort(band, kind="stable")
            same = np.flatnonzero(band[order[1:]] == band[order[:-1]])
            before, here = order[same], order[same + 1]
            starts = np.concatenate([[True], band[order[1:]] != band[order[:-1]]])
            first = order[np.maximum.accumulate(np.where(starts, np.arange(len(order)), 0))][same + 1]
            found += [np.stack([here, before], axis=1), np.stack([here, first], axis=1)]
        return np.unique(np.concatenate(found), axis=0)
