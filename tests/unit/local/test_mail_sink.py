"""The mail sink: a real SMTP server, and its pages as a browser gets them."""

import smtplib
from email.message import EmailMessage

import pytest
from fastapi.testclient import TestClient

from retailflow_local.mail_sink.mailbox import Mailbox, body
from retailflow_local.mail_sink.smtp import serving
from retailflow_local.mail_sink.web import create_app
from retailflow_local.processes import HOST, any_free_port


@pytest.fixture
def mailbox(tmp_path):
    return Mailbox(tmp_path / "mail")


@pytest.fixture
def send(mailbox):
    port = any_free_port()

    def one(subject, html="<p>Hallo</p>"):
        message = EmailMessage()
        message["Subject"], message["From"], message["To"] = subject, "a@x.example", "b@x.example"
        message.set_content("Grüße")
        message.add_alternative(html, subtype="html")
        with smtplib.SMTP(HOST, port) as client:
            client.send_message(message)

    with serving(mailbox, HOST, port):
        yield one


@pytest.fixture
def browser(mailbox):
    return TestClient(create_app(mailbox), base_url=f"http://{HOST}")


def test_messages_are_kept_as_they_were_sent_in_their_order(send, mailbox):
    send("first")
    send("second")
    assert [message["Subject"] for message in mailbox.messages()] == ["first", "second"]
    assert body(mailbox.message(1), "plain").strip() == "Grüße"
    assert body(mailbox.message(2), "html").strip() == "<p>Hallo</p>"


def test_a_sink_that_is_started_again_goes_on_where_it_was(send, mailbox, tmp_path):
    send("first")
    assert Mailbox(tmp_path / "mail").add(b"Subject: second\r\n\r\n") == 2


def test_the_pages_list_the_newest_first_and_show_one(send, browser):
    assert "Nothing was sent yet." in browser.get("/").text
    send("first")
    send("second <b>")
    page = browser.get("/").text
    assert page.index("second &lt;b&gt;") < page.index(">first<")
    assert "Grüße" in browser.get("/messages/1").text
    assert "Subject: first" in browser.get("/messages/1/source").text
    assert browser.get("/messages/3").status_code == 404


def test_nothing_in_a_message_is_executed(send, browser):
    send("bad", "<script>alert(1)</script>")
    answer = browser.get("/messages/1/html")
    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert "<script>" not in browser.get("/messages/1").text
    assert "<iframe sandbox src=" in browser.get("/messages/1").text


def test_another_name_of_the_machine_is_refused(browser):
    assert browser.get("/", headers={"Host": "evil.example"}).status_code == 400
