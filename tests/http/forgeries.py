"""Tokens that must not count, each for one reason."""

from __future__ import annotations

import json
from typing import Any

from joserfc import jwe
from joserfc.jwk import OctKey

from streaming_runtime.http.token_form import MAX_TOKEN_CHARACTERS
from tests.http.issuing import AUDIENCE, EC, ISSUER, OTHER_RSA, RSA, Json, part, signed

HEAD: Json = {"alg": "RS256", "kid": "rsa"}
NONE = b'{"alg":"none"}'
# What is public, taken for a secret: PEM itself is refused as one, so without its frame.
PUBLIC = b"".join(RSA.as_pem(private=False).split(b"\n")[1:-2])
PUBLIC_SECRET = OctKey.import_key(PUBLIC, {"kid": "rsa"})


def head(**changed: Any) -> Json:
    return HEAD | changed


def forged(claims: Json) -> dict[str, str]:
    """Return tokens that must not count, each for one reason, by that reason."""
    body = json.dumps(claims).encode()
    good = signed(HEAD, claims, RSA)
    signing, _, signature = good.rpartition(".")
    unsigned = f"{part(NONE)}.{part(body)}"
    flipped = ("B" if signature[9] != "B" else "C").join((signature[:9], signature[10:]))
    own = OTHER_RSA.as_dict(private=False)

    def headed(raw: bytes) -> str:
        return f"{part(raw)}.{part(body)}.{signature}"

    encrypted = jwe.encrypt_compact({"alg": "RSA-OAEP", "enc": "A128GCM"}, body, RSA)
    return {
        "none, without a signature": f"{unsigned}.",
        "none, with a signature": f"{unsigned}.{signature}",
        "None": headed(b'{"alg":"None","kid":"rsa"}'),
        "HMAC with the public key": signed(head(alg="HS256"), claims, PUBLIC_SECRET),
        "HMAC with a key of its own": signed(head(alg="HS256"), claims, OctKey.generate_key(256)),
        "another key, the same id": signed(HEAD, claims, OTHER_RSA),
        "an unknown key id": signed(head(kid="nobody"), claims, OTHER_RSA),
        "no key id, another key": signed({"alg": "RS256"}, claims, OTHER_RSA),
        "the id of a key of another kind": signed(head(kid="ec"), claims, RSA),
        "a key id that is no text": signed(head(kid=["rsa"]), claims, RSA),
        "a key id without end": signed(head(kid="k" * 300), claims, RSA),
        "another curve": signed({"alg": "ES256", "kid": "ec"}, claims, EC)[:-20] + "A" * 20,
        "an algorithm that is not among ours": signed(head(alg="RS384"), claims, RSA),
        "another padding": signed(head(alg="PS256"), claims, RSA),
        "an algorithm in small letters": headed(b'{"alg":"rs256"}'),
        "no algorithm": headed(b'{"kid":"rsa"}'),
        "an algorithm that is no text": headed(b'{"alg":["RS256"]}'),
        "jku": signed(head(jku="https://evil.example/keys"), claims, RSA),
        "x5u": signed(head(x5u="https://evil.example/cert"), claims, RSA),
        "jwk": signed(head(jwk=own), claims, OTHER_RSA),
        "jwk beside a good signature": signed(head(jwk=own), claims, RSA),
        "crit": signed(head(crit=["exp"], exp=1), claims, RSA),
        "crit, unknown": signed(head(crit=["x"], x=1), claims, RSA),
        "crit, empty": signed(head(crit=[]), claims, RSA),
        "crit, no list": signed(head(crit="b64"), claims, RSA),
        "b64": signed(head(b64=False), claims, RSA),
        "b64 as it is anyway": signed(head(b64=True), claims, RSA),
        "another type": signed(head(typ="logout+jwt"), claims, RSA),
        "a type that is no text": signed(head(typ=7), claims, RSA),
        "two algorithms": headed(b'{"alg":"none","alg":"RS256","kid":"rsa"}'),
        "encrypted": encrypted,
        "a changed claim": signed(HEAD, claims, RSA).replace(
            part(body), part(body.replace(b"acme", b"evil"))
        ),
        "a changed signature": f"{signing}.{flipped}",
        "half a signature": f"{signing}.{signature[: len(signature) // 2]}",
        "a signature too many": f"{good}.{signature}",
        "no signature": signing,
        "an empty signature": f"{signing}.",
        "two dots": good.replace(".", "..", 1),
        "a dot before": f".{good}",
        "spaces in it": good.replace(".", " . "),
        "padding": f"{good}==",
        "a line end": f"{good}\n",
        "the other alphabet": f"{signing}.{signature}+/",
        "letters beyond ASCII": good[:-1] + "é",
        "digits beyond ASCII": good[:-1] + "\u0661",
        "half of a pair": good[:-1] + "\udcff",
        "half of it": good[: len(good) // 3],
        "another one after it": f"{good}, Bearer {good}",
        "huge": signed(HEAD, claims | {"x": "y" * MAX_TOKEN_CHARACTERS}, RSA),
        "only dots": "..",
        "nothing": "",
        "claims that are no object": signed(HEAD, b'["acme"]', RSA),
        "claims that are no JSON": signed(HEAD, b"{", RSA),
        "claims without an end": signed(HEAD, b"[" * 3_000, RSA),
        "claims that are no UTF-8": signed(HEAD, b'{"sub":"\xff"}', RSA),
        "a claim twice": signed(HEAD, body[:-1] + b', "sub": "evil"}', RSA),
        "not a number": signed(HEAD, body[:-1] + b', "x": NaN}', RSA),
        "a head that is no object": headed(b"[]"),
        "a head of one letter": f"e.{part(body)}.{signature}",
    }


def changed(now: int) -> dict[str, Json]:
    """Return claims that must not count although they are signed, by what is wrong."""
    return {
        "no issuer": {"iss": None},
        "another issuer": {"iss": f"{ISSUER}/"},
        "issuers": {"iss": [ISSUER]},
        "no audience": {"aud": None},
        "another audience": {"aud": f"{AUDIENCE}/other"},
        "other audiences": {"aud": ["x", [AUDIENCE]]},
        "an audience within one": {"aud": f"x {AUDIENCE}"},
        "an audience that is an object": {"aud": {AUDIENCE: 1}},
        "no end": {"exp": None},
        "at its end": {"exp": now},
        "long ended": {"exp": 1},
        "an end before all": {"exp": -1},
        "an end as text": {"exp": str(now + 300)},
        "an end that is a truth": {"exp": True},
        "an end beyond all": {"exp": 10**300},
        "an end beyond all numbers": {"exp": 10**4_000},
        "a list of ends": {"exp": [now + 300]},
        "not yet": {"nbf": now + 32},
        "a beginning as text": {"nbf": "0"},
        "a beginning that is a truth": {"nbf": True},
        "no tenant": {"sub": None},
        "an empty tenant": {"sub": ""},
        "a number as tenant": {"sub": 7},
        "a list of tenants": {"sub": ["acme"]},
        "a tenant with a space": {"sub": "ac me"},
        "a tenant with a line end": {"sub": "acme\n"},
        "a tenant with NUL": {"sub": "acme\x00"},
        "a tenant beyond ASCII": {"sub": "\u0430cme"},
        "a tenant without end": {"sub": "a" * 256},
    }
