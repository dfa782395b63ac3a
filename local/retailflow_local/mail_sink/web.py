"""The sink in a browser: a list of the messages, newest first, and the HTML, text and source of each."""

from html import escape

from fastapi import FastAPI, HTTPException
from fastapi.responses import HTMLResponse, PlainTextResponse
from starlette.middleware.trustedhost import TrustedHostMiddleware

from retailflow_local.mail_sink.mailbox import Mailbox, body

# Do not trust the content of a message: it runs nothing, loads nothing, and belongs to no origin.
_UNTRUSTED = {"Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"}
_STYLE = """
:root { color-scheme: light dark; --line: light-dark(#d8dde3, #39414b); --soft: light-dark(#5b6570, #9aa5b1); }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  background: light-dark(#fff, #12171c); color: light-dark(#1c2329, #e4e9ee); }
h1 { font-size: 1.4rem; margin: 0 0 1rem; overflow-wrap: anywhere; } a { color: light-dark(#0b63b5, #7cc0ff); }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .4rem .8rem .4rem 0;
  border-bottom: 1px solid var(--line); vertical-align: top; } .soft { color: var(--soft); white-space: nowrap; }
iframe { width: 100%; height: 60rem; border: 1px solid var(--line); border-radius: 6px; }
pre { border: 1px solid var(--line); border-radius: 6px; padding: .75rem; overflow: auto; }
"""


def create_app(mailbox: Mailbox) -> FastAPI:
    app = FastAPI(title="RetailFlow mail", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])

    @app.get("/healthz")
    def healthz() -> dict[str, int]:
        return {"messages": len(mailbox.numbers())}

    @app.get("/", response_class=HTMLResponse)
    def inbox() -> str:
        rows = "".join(_row(mailbox, number) for number in reversed(mailbox.numbers()))
        table = f"<table><tr><th>Received (UTC)</th><th>Subject</th><th>To</th></tr>{rows}</table>"
        refresh = '<meta http-equiv="refresh" content="5">'
        return _page("Mail", table if rows else "<p>Nothing was sent yet.</p>", refresh)

    @app.get("/messages/{number}", response_class=HTMLResponse)
    def show(number: int) -> str:
        message = _found(mailbox, number)
        facts = "".join(f"<tr><th>{name}</th><td>{escape(message[name] or '')}</td></tr>" for name in ("From", "To"))
        html = f'<iframe sandbox src="/messages/{number}/html" title="The message"></iframe>'
        text = f"<pre>{escape(body(message, 'plain'))}</pre>"
        links = f'<a href="/">All mail</a> · <a href="/messages/{number}/source">Source</a>'
        content = f"<p>{links}</p><table>{facts}</table><h2>HTML</h2>{html}<h2>Text</h2>{text}"
        return _page(message["Subject"] or "(no subject)", content)

    @app.get("/messages/{number}/html")
    def html(number: int) -> HTMLResponse:
        return HTMLResponse(body(_found(mailbox, number), "html"), headers=_UNTRUSTED)

    @app.get("/messages/{number}/source")
    def source(number: int) -> PlainTextResponse:
        return PlainTextResponse(_found(mailbox, number).as_string())

    return app


def _row(mailbox: Mailbox, number: int) -> str:
    message, when = mailbox.message(number), mailbox.received(number)
    link = f'<a href="/messages/{number}">{escape(message["Subject"] or "(no subject)")}</a>'
    return (
        f'<tr><td class="soft">{when:%Y-%m-%d %H:%M:%S}</td><td>{link}</td><td>{escape(message["To"] or "")}</td></tr>'
    )


def _found(mailbox: Mailbox, number: int):
    try:
        return mailbox.message(number)
    except KeyError:
        raise HTTPException(404, f"There is no message {number}.") from None


def _page(title: str, content: str, head: str = "") -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(title)}</title><style>{_STYLE}</style>{head}</head><body><h1>{escape(title)}</h1>{content}</body></html>"""
