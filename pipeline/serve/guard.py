"""Who may ask: a token where others can reach the server, and pages of other sites never.

A server on 127.0.0.1 is open to every page that a browser on this machine has loaded. Such a page can send
requests, so those that say they come from another site are refused unless they show the token; and it can point a
name of its own at 127.0.0.1, so the name that was asked for must be this machine's.
"""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from importlib.resources import files

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.serve.address import is_local
from pipeline.serve.answers import RequestError

_SAFE = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",  # the address may hold the token
    "content-security-policy": "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'self'",
}


class Guard:
    """Lets those requests through to the application that may ask.

    The token is taken from `Authorization: Bearer`, from `?token=` (pictures cannot send headers), and from the
    cookie that the page gets once it was opened with `?token=`. It is compared in constant time.

    Args:
        app: the application.
        token: None: none is needed, and requests must name this machine.
        port: of the server; browsers send the cookies of all ports of a host.
    """

    def __init__(self, app: ASGIApp, token: str | None, port: int) -> None:
        self._app, self._token, self._cookie = app, token, f"dashmask-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refused(scope) or self._signed_in(scope)
        await (answer or self._app)(scope, receive, sending)

    def _refused(self, scope: Scope) -> Response | None:
        headers, method = Headers(scope=scope), scope["method"]
        if self._token is None and not is_local(_host(headers.get("host", ""))):
            name = _host(headers.get("host", ""))
            what = f"this server answers to names of this machine only, not to {name[:80]!r}"
            return RequestError(403, what, "ask for 127.0.0.1, or set web.token").response()
        if self._token is not None and self._shows_it(scope, headers):
            return None  # whoever sends this means it: no browser does so by itself
        if _foreign(headers, method):
            return RequestError(403, "a page of another site sent this request", "open the page itself").response()
        if self._token is None or self._has_cookie(headers) or scope["path"].startswith("/page/"):
            return None  # the page's own files hold nothing that is not in every copy of dashmask
        if "text/html" in headers.get("accept", "") and method in _SAFE:
            return HTMLResponse(_token_page(scope["path"].count("/") - 1), 401)
        hint = (
            "send it as `Authorization: Bearer TOKEN` or ?token=TOKEN; it was set, or printed when the server started"
        )
        return RequestError(401, "this server needs its token", hint, {"www-authenticate": "Bearer"}).response()

    def _shows_it(self, scope: Scope, headers: Headers) -> bool:
        assert self._token is not None
        asked = QueryParams(scope["query_string"]).get("token", "")
        return any([_matches(_bearer(headers), self._token), _matches(asked, self._token)])

    def _has_cookie(self, headers: Headers) -> bool:
        assert self._token is not None
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return _matches(cookie.value if cookie else "", self._token)

    def _signed_in(self, scope: Scope) -> Response | None:
        """The page was opened with the token in its address: keep it in a cookie, and out of the address."""
        if self._token is None or scope["path"] != "/" or "token" not in QueryParams(scope["query_string"]):
            return None
        # A proxy may serve this page under a path of its own: the cookie stays there.
        answer = RedirectResponse("./", 303)
        secure = scope["scheme"] == "https"  # as a proxy says
        answer.set_cookie(
            self._cookie, self._token, 30 * 86400, path=None, secure=secure, httponly=True, samesite="strict"
        )
        return answer


def _foreign(headers: Headers, method: str) -> bool:
    """Whether a browser says that another site's page asks.

    Browsers put Sec-Fetch-Site on what they send to 127.0.0.1 or over HTTPS, and no page can change it. Where it is
    not, Origin and Host are compared, of which a proxy may have changed the latter.
    """
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if method in _SAFE:
        return site == "cross-site" and headers.get("sec-fetch-mode") != "navigate"
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != headers.get("host", "")


def _token_page(depth: int) -> str:
    """The page that asks for the token, instead of one so many folders below the first."""
    page = files("pipeline.serve").joinpath("page/token.html").read_text("utf-8")
    return page.replace('="./', f'="./{"../" * depth}')


def _host(value: str) -> str:
    """The name in a Host header, without the port."""
    if value.startswith("["):
        return value[1:].partition("]")[0]
    return value.partition(":")[0]


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _matches(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())
