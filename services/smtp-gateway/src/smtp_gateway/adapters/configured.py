"""Hooks as the settings name them."""

from collections.abc import Sequence
from urllib.parse import urlsplit

from servicekit.settings import read_secret

from smtp_gateway.adapters.http_hook import HttpHook
from smtp_gateway.adapters.milter import Milter
from smtp_gateway.edge.hooking import Hooked
from smtp_gateway.hook_settings import HookSetting


def hooks_of(settings: Sequence[HookSetting]) -> tuple[Hooked, ...]:
    """In their order. Raises ValueError, OSError."""
    return tuple(Hooked(_hook(each), frozenset(each.doors), each.when_away) for each in settings)


def _hook(setting: HookSetting) -> Milter | HttpHook:
    place = urlsplit(setting.url)
    if place.scheme == "milter":
        path = "" if place.hostname else place.path
        return Milter(place.netloc or path, place.hostname or "", place.port or 0, path, setting.seconds)
    token = "" if setting.token_file is None else read_secret(setting.token_file)
    return HttpHook(
        place.netloc.rpartition("@")[2],
        setting.url,
        frozenset(setting.stages),
        setting.seconds,
        token,
        content=setting.content,
    )
