"""`python -m retailflow_local.mail_sink --smtp-port 1025 --port 8025 --folder .local/mail`: serves until SIGTERM."""

import argparse
import signal
import sys
from pathlib import Path

import uvicorn

from retailflow_local.mail_sink.mailbox import Mailbox
from retailflow_local.mail_sink.smtp import serving
from retailflow_local.mail_sink.web import create_app

HOST = "127.0.0.1"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m retailflow_local.mail_sink", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--port", type=int, required=True, help="of the web view")
    parser.add_argument("--folder", type=Path, required=True, help="where the messages are kept")
    options = parser.parse_args()
    mailbox = Mailbox(options.folder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    with serving(mailbox, HOST, options.smtp_port):
        print(f"SMTP on {HOST}:{options.smtp_port}, mail on http://{HOST}:{options.port}", flush=True)
        app = create_app(mailbox)
        uvicorn.run(app, host=HOST, port=options.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
