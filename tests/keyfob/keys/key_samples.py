"""A key that never was, field by field."""

from __future__ import annotations

from keyfob.keys.format import ALPHABET, KeyText, compose, new_key_id, new_secret

ID = "7Qx2mB9tKd03LpWz"
SECRET = ALPHABET[:43]
TAG = "27gEOnQ19lja8S"
GOOD = f"kf_api_{ID}_{SECRET}a{TAG}1ycLqD"  # its checksum was computed by other means


def a_key(key_type: str = "api", prefix: str = "kf") -> KeyText:
    return compose(
        key_type=key_type,
        key_id=new_key_id(),
        secret=new_secret(),
        key_char="a",
        tag=lambda _: TAG,
        prefix=prefix,
    )
