"""How a user proves who it is: a password, a key pair, or a token."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mixpanel_wh.engine.errors import ConfigError

WAYS = ("password", "private_key", "private_key_path", "token")


def credentials(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The connector's arguments for the one way that the settings give; ConfigError where a key cannot be read."""
    if settings.get("token"):
        return {"token": settings["token"], "authenticator": "oauth"}
    pem = _pem(settings)
    if pem is not None:
        return {"private_key": _key(pem, settings.get("passphrase"))}
    return {"password": settings["password"]} if settings.get("password") else {}


def _pem(settings: Mapping[str, Any]) -> bytes | None:
    if settings.get("private_key"):
        return str(settings["private_key"]).encode()
    path = settings.get("private_key_path")
    if not path:
        return None
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError([f"private_key_path {path} of the warehouse cannot be read: {error.strerror}"]) from None


def _key(pem: bytes, passphrase: str | None) -> bytes:
    """A private key in the form that the connector takes."""
    from cryptography.hazmat.primitives import serialization

    try:
        key = serialization.load_pem_private_key(pem, passphrase.encode() if passphrase else None)
        return key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    except TypeError:
        told = "needs its passphrase" if not passphrase else "has no passphrase: take passphrase away"
        raise ConfigError([f"the private key of the warehouse {told}"]) from None
    except ValueError:
        told = "passphrase is not the one of the private key, or the key is none" if passphrase else (
            "private_key of the warehouse is no key: write its PEM text, -----BEGIN PRIVATE KEY----- and so on")
        raise ConfigError([told]) from None
