"""Writes format.json: known answers for this package's own formats, from an implementation that shares no code with it.

Needs Python 3 with the package `cryptography`: python3 format.py > format.json
"""

import hashlib
import hmac
import json
import struct

from cryptography.hazmat.primitives import hashes, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SESSION_KEY = bytes(range(32))
REPOSITORY = bytes(range(0xA0, 0xB0))
SUITES = [
    ("none", None, 0),
    ("aes-128-gcm", "gcm", 16),
    ("aes-192-gcm", "gcm", 24),
    ("aes-256-gcm", "gcm", 32),
    ("aes-128-cbc-hmac-sha-256", "cbc", 16),
    ("aes-192-cbc-hmac-sha-256", "cbc", 24),
    ("aes-256-cbc-hmac-sha-256", "cbc", 32),
]
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def hkdf(key, salt, info, length):
    return HKDF(hashes.SHA256(), length, salt, info).derive(key)


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def seal_frame(name, method, key_bytes, counter, frame, aad, plaintext, iv):
    keys = hkdf(SESSION_KEY, REPOSITORY, b"holdfast/1/frames/" + name.encode(), key_bytes + 32)
    key, mac_key = keys[:key_bytes], keys[key_bytes:]
    position = struct.pack("<QI", counter, frame)
    start = struct.pack("<I", len(aad)) + aad + position
    if method is None:
        return plaintext + mac(mac_key, start + plaintext)[:16]
    if method == "gcm":
        return AESGCM(key).encrypt(position, plaintext, aad)
    padder = padding.PKCS7(128).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(padded) + encryptor.finalize()
    return iv + ciphertext + mac(mac_key, start + iv + ciphertext + struct.pack("<Q", len(ciphertext)))


def seal_box(key, context, plaintext, salt):
    info = b"holdfast/1/box" + struct.pack("<I", len(context)) + context
    derived = hkdf(key, salt, info, 64)
    return salt + derived[32:] + AESGCM(derived[:32]).encrypt(bytes(12), plaintext, context)


def base32(data, characters):
    bits = int.from_bytes(data, "big") << 8
    total = len(data) * 8 + 8
    return "".join(ALPHABET[(bits >> (total - 5 * (i + 1))) & 31] for i in range(characters))


def recovery_key(seed):
    content = base32(seed + hashlib.sha256(b"holdfast/1/recovery-key" + seed).digest()[:6], 60)
    lines = ["HOLDFAST RECOVERY KEY 1"]
    for line in (1, 2, 3):
        part = content[(line - 1) * 20 : line * 20]
        check = hashlib.sha256(b"holdfast/1/recovery-key-line" + bytes([line]) + part.encode()).digest()
        lines.append(" ".join([part[i : i + 5] for i in range(0, 20, 5)] + [base32(check, 4)]))
    return "\n".join(lines) + "\n"


def frames():
    for name, method, key_bytes in SUITES:
        for length, aad, counter, frame in [(0, b"", 0, 0), (5, b"header", 1, 2), (64, bytes(600), 2**53 + 1, 2**32 - 1)]:
            plaintext = bytes(i * 7 & 255 for i in range(length))
            iv = bytes(range(0x10, 0x20))
            sealed = seal_frame(name, method, key_bytes, counter, frame, aad, plaintext, iv)
            yield {
                "suite": name,
                "counter": str(counter),
                "frame": frame,
                "aad": aad.hex(),
                "plaintext": plaintext.hex(),
                "sealed": sealed.hex(),
            }


def boxes():
    for context, plaintext in [(b"", b""), (b"slot 1", bytes(range(32))), (bytes(1500), b"long context")]:
        key, salt = bytes([3] * 32), bytes([9] * 32)
        yield {
            "key": key.hex(),
            "salt": salt.hex(),
            "context": context.hex(),
            "plaintext": plaintext.hex(),
            "sealed": seal_box(key, context, plaintext, salt).hex(),
        }


def recovery_keys():
    for seed in [bytes(32), bytes([255] * 32), bytes(range(32))]:
        yield {"seed": seed.hex(), "text": recovery_key(seed)}


print(
    json.dumps(
        {
            "sessionKey": SESSION_KEY.hex(),
            "repository": REPOSITORY.hex(),
            "frames": list(frames()),
            "boxes": list(boxes()),
            "recoveryKeys": list(recovery_keys()),
        },
        indent=1,
    )
)
