"""Tokens of the real `djangorestframework-simplejwt`, without a Django project.

The package reads its settings once, at import; different keys and algorithms
are therefore given through a `TokenBackend` of their own, which is the class
that the package itself signs with.
"""

from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings

# simplejwt wants a signing key to exist even when every token here brings its own.
settings.configure(
    SECRET_KEY="only-for-django-itself-never-used-to-sign",
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework"],
    DATABASES={},
    USE_TZ=True,
)
django.setup()

from rest_framework_simplejwt import tokens as simplejwt  # noqa: E402  (after settings)
from rest_framework_simplejwt.backends import TokenBackend  # noqa: E402

UTC = datetime.timezone.utc

SERVICE_SCOPE = "realtime:service"


def signer(algorithm: str, signing_key: str, verifying_key: str = "", **options: Any) -> TokenBackend:
    """A simplejwt backend for one key; `options` are its `issuer`, `audience`, `leeway`."""
    return TokenBackend(algorithm, signing_key, verifying_key or signing_key, **options)


def new_token(kind: type[simplejwt.Token], backend: TokenBackend, user: Any = None) -> simplejwt.Token:
    """A token of `kind` signed by `backend`; with a `user`, made by the package's own `for_user`."""
    signed_by = type(kind.__name__, (kind,), {"get_token_backend": lambda self: backend})
    return signed_by() if user is None else signed_by.for_user(SimpleNamespace(id=user, is_active=True))


def mint(
    secret: str,
    user: Any,
    *,
    service: bool = False,
    lifetime: float = 3600.0,
    kind: type[simplejwt.Token] = simplejwt.AccessToken,
    **claims: Any,
) -> str:
    """A signed HS256 token that ends `lifetime` seconds from now; `user` keeps its type (int or str)."""
    token = new_token(kind, signer("HS256", secret))
    token["user_id"] = user
    token.set_exp(lifetime=datetime.timedelta(seconds=lifetime))
    if service:
        token["scope"] = SERVICE_SCOPE
    for claim, value in claims.items():
        token[claim] = value
    return str(token)
