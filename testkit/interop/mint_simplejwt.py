"""Test vectors minted by the real `djangorestframework-simplejwt`.

    python mint_simplejwt.py            checks the committed vectors with the package
    python mint_simplejwt.py --write    mints them anew (new keys, new token ids)

`vectors/simplejwt.json` is a list. The server's unit tests read it and must come
to the verdict in `expect` with the key and the settings of the same entry:

    name       what the vector shows
    token      the JWT
    alg        the algorithm the verifier is configured with
    key        the verifier's key: the shared secret (HS256) or a public key in PEM
    issuer     the `iss` the verifier is configured with, or null
    audience   the `aud` the verifier is configured with, or null
    user_claim the claim the verifier takes the user from
    expect     {"user": id, "service": bool, "name"?} or {"error": code}
    packages   what minted it
    note       why it is here

Tokens that hold end in the year 2100 and expired ones ended in 2001, so the file
means the same on any day a test runs.
"""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from rest_framework_simplejwt.exceptions import TokenError

import tokens
from tokens import simplejwt

VECTORS = Path(__file__).parent / "vectors" / "simplejwt.json"

ENDS_2100 = datetime.datetime(2100, 1, 1, tzinfo=tokens.UTC)
ENDED_2001 = datetime.datetime(2001, 9, 9, tzinfo=tokens.UTC)
ISSUED = datetime.datetime(2001, 9, 8, tzinfo=tokens.UTC)

# Not secrets: they sign nothing but these vectors.
SECRET = "vectors-only-0123456789abcdefghijklmnopqrstuvwxyz"
OTHER_SECRET = "another-one-0123456789abcdefghijklmnopqrstuvwxyz"

ISSUER = "https://accounts.example.com"
AUDIENCE = "realtime"


def packages() -> dict[str, str]:
    """The versions that minted a vector."""
    names = ("djangorestframework-simplejwt", "PyJWT", "Django", "cryptography")
    return {name: importlib.metadata.version(name) for name in names}


def pem(private_key: Any) -> tuple[str, str]:
    """A private key and its public half, both in PEM."""
    private = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class Mint:
    """Collects vectors that share a signing key."""

    def __init__(self, alg: str, signing_key: str, key: str, **signing: Any) -> None:
        self.alg, self.signing_key, self.key, self.signing = alg, signing_key, key, signing
        self.vectors: list[dict[str, Any]] = []

    def add(
        self,
        name: str,
        expect: dict[str, Any],
        note: str,
        *,
        claims: dict[str, Any],
        kind: type[simplejwt.Token] = simplejwt.AccessToken,
        ends: datetime.datetime | None = ENDS_2100,
        for_user: Any = None,
        issuer: str | None = None,
        audience: str | None = None,
        user_claim: str = "user_id",
    ) -> None:
        """Mints one token and notes the verdict it must get."""
        backend = tokens.signer(self.alg, self.signing_key, self.key, **self.signing)
        token = tokens.new_token(kind, backend, for_user)
        token.set_iat(at_time=ISSUED)
        token["exp"] = int(ends.timestamp()) if ends else None
        for claim, value in claims.items():
            token[claim] = value
        if ends is None:
            del token["exp"]
        self.vectors.append(
            {
                "name": name,
                "token": str(token),
                "alg": self.alg,
                "key": self.key,
                "issuer": issuer,
                "audience": audience,
                "user_claim": user_claim,
                "expect": expect,
                "packages": packages(),
                "note": note,
            }
        )


def accepted(user: str, service: bool = False, **more: Any) -> dict[str, Any]:
    """The verdict "this is `user`"."""
    return {"user": user, "service": service, **more}


UNAUTHENTICATED = {"error": "unauthenticated"}
EXPIRED = {"error": "token_expired"}


def symmetric() -> list[dict[str, Any]]:
    """HS256, as the package signs by default."""
    mint = Mint("HS256", SECRET, SECRET)
    mint.add("hs256_for_user", accepted("42"), "AccessToken.for_user: this version writes the id as a string",
             claims={}, for_user=42)
    mint.add("hs256_int_user_id", accepted("42"), "releases before 5.5 write the primary key as a number",
             claims={"user_id": 42})
    mint.add("hs256_str_user_id", accepted("ann"), "a string primary key", claims={"user_id": "ann"})
    mint.add("hs256_uuid_user_id", accepted("018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"), "a UUID primary key",
             claims={"user_id": "018f5a3e-7c1b-7d2a-9f00-2b7d1e5c9a41"})
    mint.add("hs256_extra_claims", accepted("ann", name="Ann Müller"), "unknown claims are ignored, name is read",
             claims={"user_id": "ann", "name": "Ann Müller", "is_staff": True, "groups": ["cleaners"]})
    mint.add("hs256_service", accepted("platform", True), "the service scope",
             claims={"user_id": "platform", "scope": tokens.SERVICE_SCOPE})
    mint.add("hs256_service_among_scopes", accepted("platform", True), "scope is a list separated by blanks",
             claims={"user_id": "platform", "scope": f"openid {tokens.SERVICE_SCOPE} email"})
    mint.add("hs256_scope_look_alike", accepted("mallory"), "a scope that only starts like the service scope",
             claims={"user_id": "mallory", "scope": f"{tokens.SERVICE_SCOPE}s not-{tokens.SERVICE_SCOPE}"})
    mint.add("hs256_refresh", UNAUTHENTICATED, "a refresh token is no access token",
             claims={"user_id": 42}, kind=simplejwt.RefreshToken)
    mint.add("hs256_sliding", UNAUTHENTICATED, "token_type must be access",
             claims={"user_id": 42}, kind=simplejwt.SlidingToken)
    mint.add("hs256_expired", EXPIRED, "ended in 2001", claims={"user_id": 42}, ends=ENDED_2001)
    mint.add("hs256_without_exp", UNAUTHENTICATED, "exp is required", claims={"user_id": 42}, ends=None)
    mint.add("hs256_not_yet", UNAUTHENTICATED, "nbf in the year 2099",
             claims={"user_id": 42, "nbf": int(ENDS_2100.timestamp()) - 86_400})
    mint.add("hs256_without_user", UNAUTHENTICATED, "no user claim", claims={})
    mint.add("hs256_empty_user", UNAUTHENTICATED, "an empty user id", claims={"user_id": ""})
    mint.add("hs256_null_user", UNAUTHENTICATED, "a null user id", claims={"user_id": None})
    mint.add("hs256_other_user_claim", accepted("ann"), "USER_ID_CLAIM = sub",
             claims={"sub": "ann"}, user_claim="sub")
    return mint.vectors


def issuer_and_audience() -> list[dict[str, Any]]:
    """`iss` and `aud`, written by the package's ISSUER and AUDIENCE settings."""
    mint = Mint("HS256", SECRET, SECRET, issuer=ISSUER, audience=AUDIENCE)
    ann = {"user_id": "ann"}
    mint.add("hs256_issuer_audience", accepted("ann"), "both as configured",
             claims=ann, issuer=ISSUER, audience=AUDIENCE)
    mint.add("hs256_wrong_issuer", UNAUTHENTICATED, "the verifier wants another issuer",
             claims=ann, issuer=ISSUER + ".evil.example", audience=AUDIENCE)
    mint.add("hs256_wrong_audience", UNAUTHENTICATED, "the verifier wants another audience",
             claims=ann, issuer=ISSUER, audience="payments")
    bare = Mint("HS256", SECRET, SECRET)
    bare.add("hs256_missing_issuer", UNAUTHENTICATED, "a configured issuer must be present",
             claims=ann, issuer=ISSUER)
    bare.add("hs256_missing_audience", UNAUTHENTICATED, "a configured audience must be present",
             claims=ann, audience=AUDIENCE)
    several = Mint("HS256", SECRET, SECRET, audience=[AUDIENCE, "payments"])
    several.add("hs256_audience_list", accepted("ann"), "one of several audiences is ours",
                claims=ann, audience=AUDIENCE)
    return mint.vectors + bare.vectors + several.vectors


def asymmetric() -> list[dict[str, Any]]:
    """RS256, ES256 and EdDSA; the private keys are forgotten when the script ends."""
    private_keys = {
        "RS256": rsa.generate_private_key(public_exponent=65_537, key_size=2048),
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    vectors: list[dict[str, Any]] = []
    for alg, private_key in private_keys.items():
        private, public = pem(private_key)
        mint = Mint(alg, private, public)
        name = alg.lower()
        mint.add(f"{name}_int_user_id", accepted("42"), f"simplejwt with ALGORITHM = {alg}", claims={"user_id": 42})
        mint.add(f"{name}_expired", EXPIRED, "ended in 2001", claims={"user_id": 42}, ends=ENDED_2001)
        mint.add(f"{name}_refresh", UNAUTHENTICATED, "a refresh token is no access token",
                 claims={"user_id": 42}, kind=simplejwt.RefreshToken)
        # The classic confusion: the public key taken as an HMAC secret. PyJWT
        # refuses to sign this, so the signature is made by hand.
        confused = dict(mint.vectors[0])
        confused |= {
            "name": f"{name}_key_confusion",
            "token": hmac_with_public_key(mint.vectors[0]["token"], public),
            "expect": UNAUTHENTICATED,
            "note": "HS256 signed with the public key; alg is fixed by the key",
        }
        vectors += [*mint.vectors, confused]
    return vectors


def hmac_with_public_key(token: str, public: str) -> str:
    """The claims of `token` under an HS256 header, signed with the public key's PEM as the secret."""
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}').decode()
    signed = f"{header}.{token.split('.')[1]}"
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(signed.encode(), public.encode())
    return f"{signed}.{jwt.utils.base64url_encode(signature).decode()}"


def foreign_signature() -> list[dict[str, Any]]:
    """Signed by someone else."""
    mint = Mint("HS256", OTHER_SECRET, SECRET)
    mint.add("hs256_other_secret", UNAUTHENTICATED, "signed with another secret", claims={"user_id": 42})
    longer = Mint("HS512", SECRET * 2, SECRET * 2)
    longer.add("hs512_for_an_hs256_key", UNAUTHENTICATED, "alg is fixed by the key", claims={"user_id": 42})
    for vector in longer.vectors:
        vector["alg"] = "HS256"
    return mint.vectors + longer.vectors


def verdict_of_the_package(vector: dict[str, Any]) -> str | None:
    """The user that simplejwt itself reads from the token; None if it refuses."""
    options = {"issuer": vector["issuer"], "audience": vector["audience"]}
    backend = tokens.signer(vector["alg"], vector["key"], vector["key"], **options)
    access = type("AccessToken", (simplejwt.AccessToken,), {"get_token_backend": lambda self: backend})
    try:
        user = access(vector["token"]).get(vector["user_claim"])
    except TokenError:
        return None
    return str(user) if user not in (None, "") else None


def check(vectors: list[dict[str, Any]]) -> int:
    """Prints a line a vector; how many the package judges otherwise than the file."""
    failed = 0
    for vector in vectors:
        wanted = vector["expect"].get("user")
        found = verdict_of_the_package(vector)
        if wanted == found:
            print(f"ok simplejwt agrees: {vector['name']}")
        else:
            failed += 1
            print(f"FAILED simplejwt agrees: {vector['name']}: the file says {wanted!r}, the package {found!r}")
    return failed


def main() -> int:
    if sys.argv[1:] == ["--write"]:
        vectors = symmetric() + issuer_and_audience() + foreign_signature() + asymmetric()
        VECTORS.parent.mkdir(exist_ok=True)
        VECTORS.write_text(json.dumps(vectors, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        print(f"wrote {len(vectors)} vectors to {VECTORS.name}")
    elif sys.argv[1:]:
        print(__doc__)
        return 2
    vectors = json.loads(VECTORS.read_text(encoding="utf-8"))
    return 1 if check(vectors) or not vectors else 0


if __name__ == "__main__":
    sys.exit(main())
