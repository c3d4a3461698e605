"""djangorestframework-api-key behind Django REST framework, as its guide shows it.

SHA-512 (its hasher since 3.0), Django's ORM on SQLite in WAL mode with connections that stay open, `HasAPIKey` as the
default permission class, JSON as the only renderer, ``DEBUG`` off, no middleware that the route does not need,
gunicorn with one worker of four threads, so that connections are kept alive (its plain worker closes each). It has no
scopes and no cache.
"""

from __future__ import annotations

import os
import sys

# -- set-up
import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

from presented import MANY, random, show

FOLDER = os.environ.get("PEER_FOLDER") or sys.argv[1]
settings.configure(
    SECRET_KEY="a secret key of the bench",  # noqa: S106 - it guards nothing
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "rest_framework_api_key",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{FOLDER}/keys.db",
            "CONN_MAX_AGE": None,
            "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL;"},
        }
    },
    REST_FRAMEWORK={
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework_api_key.permissions.HasAPIKey"],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
django.setup()

from django.urls import path  # noqa: E402 - Django must be set up first
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402


@api_view(["GET"])
def items(_request: object) -> Response:
    """The route that is guarded."""
    return Response({"items": [1, 2, 3]})


urlpatterns = [path("items", items)]
app = get_wsgi_application()

# -- keys for the measurement


def prepare() -> None:
    """Make the tables and two keys, and say what to present."""
    from django.core.management import call_command  # noqa: PLC0415
    from rest_framework_api_key.models import APIKey  # noqa: PLC0415

    call_command("migrate", verbosity=0)
    live, valid = APIKey.objects.create_key(name="live")
    gone, dead = APIKey.objects.create_key(name="dead")
    gone.revoked = True
    gone.save()
    show(
        header="Authorization",
        scheme="Api-Key ",
        valid=valid,
        dead=dead,
        forged=[f"{random(8)}.{random(32)}" for _ in range(MANY)],
        wrong_secret=[f"{live.prefix}.{random(32)}" for _ in range(MANY)],
    )


if __name__ == "__main__":
    prepare()
