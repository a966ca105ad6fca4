"""A book's snapshot as words, and words as a snapshot that somebody signed who means harm."""

from __future__ import annotations

import struct

from ordercascade import OrderBook

HEADER = 7  # words


def words_of(book: OrderBook) -> list[int]:
    saved = book.snapshot()
    return list(struct.unpack(f"<{len(saved) // 8}q", saved))


def signed(words: list[int]) -> bytes:
    """Bytes with the digest that these words have, as somebody who means harm would write."""
    mask = 2**64 - 1
    a, b = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F
    for word in words[HEADER:]:
        w = word & mask
        a = (a ^ w) * 0xFF51AFD7ED558CCD & mask
        a ^= a >> 32
        b = (((b << 27) | (b >> 37)) & mask) + w & mask
        b = b * 0xC4CEB9FE1A85EC53 & mask
        b ^= b >> 29
    whole = [*words]
    whole[2] = len(words) - HEADER
    whole[3], whole[4] = (x - 2**64 if x >= 2**63 else x for x in (a, b))
    return struct.pack(f"<{len(whole)}q", *whole)
