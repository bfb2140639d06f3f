"""A secret as it might turn up where it must not: its common encodings, and the search for them."""

from __future__ import annotations

import base64
import zlib
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def disguises(secret: str) -> dict[str, bytes]:
    """By the name of the encoding, what a search in bytes would look for."""
    raw = secret.encode()
    found = {
        "plain": raw,
        "reversed": raw[::-1],
        "hex": raw.hex().encode(),
        "spaced hex": raw.hex(" ").encode(),
        "hex with colons": raw.hex(":").encode(),
        "escaped": "".join(f"\\x{byte:02x}" for byte in raw).encode(),
        "JSON-escaped": "".join(f"\\u{byte:04x}" for byte in raw).encode(),
        "URL-encoded": "".join(f"%{byte:02X}" for byte in raw).encode(),
        "HTML": "".join(f"&#{byte};" for byte in raw).encode(),
        "list of bytes": ", ".join(map(str, raw)).encode(),
        "compact list of bytes": ",".join(map(str, raw)).encode(),
        "UTF-16": secret.encode("utf-16-le"),
        "UTF-32": secret.encode("utf-32-le"),
    }
    for shift in range(3):  # base64 depends on where in the text the secret begins
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")
        start, end = (shift * 8 + 5) // 6, (shift + len(raw)) * 8 // 6
        found[f"base64 at {shift}"] = text[start:end].encode()
    for shift in range(5):
        text = base64.b32encode(b"\0" * shift + raw).decode().rstrip("=")
        start, end = (shift * 8 + 4) // 5, (shift + len(raw)) * 8 // 5
        found[f"base32 at {shift}"] = text[start:end].encode()
    if secret.isdigit():
        for pad in ("0", "f"):
            even = secret if len(secret) % 2 == 0 else secret + pad
            packed = bytes.fromhex(even)
            found[f"BCD padded with {pad}"] = packed
            found[f"BCD padded with {pad}, nibbles swapped"] = bytes(
                (byte & 15) << 4 | byte >> 4 for byte in packed
            )
            ahead = secret if len(secret) % 2 == 0 else pad + secret
            found[f"BCD padded with {pad} in front"] = bytes.fromhex(ahead)
    return found


def sightings(
    secrets: Mapping[str, str], places: Mapping[str, bytes]
) -> Iterator[tuple[str, str, str]]:
    """(whose secret, in which encoding, where); never the secret itself."""
    for where, data in places.items():
        lowered = data.lower()
        for name, secret in secrets.items():
            for encoding, needle in disguises(secret).items():
                text = encoding.startswith(("hex", "spaced", "escaped", "JSON", "URL"))
                if (needle.lower() if text else needle) in (lowered if text else data):
                    yield name, encoding, where


def wrappings(secret: str) -> dict[str, bytes]:
    """The secret inside of longer texts, encoded by the standard library: to try the search on."""
    text = f'{{"code":"{secret}"}}'
    return {
        "JSON": text.encode(),
        "base64": base64.b64encode(text.encode()),
        "base64 of one more": base64.b64encode(b"a" + text.encode()),
        "base64 of two more": base64.b64encode(b"ab" + text.encode()),
        "base32": base64.b32encode(text.encode()),
        "hex": text.encode().hex().encode(),
        "HEX": text.encode().hex().upper().encode(),
        "repr of bytes": str(list(text.encode())).encode(),
        "UTF-16": text.encode("utf-16"),
        "UTF-16 big end": text.encode("utf-16-be"),
        "URL": quote(text).encode(),
        "stored pages": zlib.compress(text.encode(), 0),
    }
