"""Mail to the administrator: by the machine's sendmail, or by a mail server."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from functools import partial
from typing import assert_never

from tasks.errors import DeployError, NetworkError, ResourceError
from tasks.host.process import TimedOut, last_lines, run
from tasks.model.instance import Instance
from tasks.model.notifications import Smtp
from tasks.model.operation_log import utc_now
from tasks.model.redaction import protect
from tasks.notify.message import Message
from tasks.secret import Secret

LIMIT_SECONDS = 30
SENDMAIL_FOLDERS = os.pathsep.join(("/usr/sbin", "/usr/lib", "/sbin"))
"""Where sendmail is besides the caller's PATH: cron's may have neither."""


def sender_of(instance: Instance, host: str) -> str:
    name = host if "." in host else f"{host}.localdomain"
    return instance.notifications.sender or f"root@{name}"


def mail_of(instance: Instance, message: Message, host: str) -> EmailMessage:
    """The mail, with the headers that keep other machines from answering it."""
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = sender_of(instance, host)
    mail["To"] = instance.admin.email
    mail["Date"] = format_datetime(utc_now())
    mail["Message-ID"] = make_msgid(domain=host)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Vikunja-Deploy"] = f"{instance.id} {message.kind}"
    mail.set_content(message.body)
    return mail


def send(instance: Instance, message: Message, host: str) -> None:
    """Send it the way that the configuration says. Raises DeployError."""
    way = instance.notifications.mail
    mail = mail_of(instance, message, host)
    if way == "sendmail":
        by_sendmail(mail, os.environ)
    elif way == "smtp":
        by_server(mail, instance.notifications.smtp, host)
    elif way != "none":
        assert_never(way)


def by_sendmail(mail: EmailMessage, environment: Mapping[str, str]) -> None:
    path = environment.get("PATH") or os.defpath
    program = shutil.which("sendmail", path=f"{path}{os.pathsep}{SENDMAIL_FOLDERS}")
    if program is None:
        raise ResourceError(
            "sendmail is not installed on this machine",
            hint="Install a mail program that has it (Debian: msmtp-mta), or use mail: smtp",
        )
    argv = [program, "-i", "-f", mail["From"], "--", mail["To"]]
    try:
        completed = run(argv, stdin=mail.as_bytes(), merge=True, timeout=LIMIT_SECONDS)
    except (TimedOut, OSError) as error:
        raise DeployError(f"sendmail could not be run: {error}") from error
    if completed.returncode != 0:
        last = "".join(last_lines(completed.stdout, 1))
        failed = f"sendmail failed with exit code {completed.returncode}: {last}"
        raise DeployError(failed.rstrip(": "))


def by_server(mail: EmailMessage, smtp: Smtp, host: str) -> None:
    """Nothing is said in clear where encryption is desired and cannot be had."""
    assert smtp.host is not None
    where = f"{smtp.host}:{smtp.port}"
    password = _password(smtp)
    context = ssl.create_default_context()
    connect = (
        partial(smtplib.SMTP_SSL, context=context) if smtp.encryption == "tls" else smtplib.SMTP
    )
    try:
        # Without a name of its own, smtplib would ask name servers for one.
        with connect(smtp.host, smtp.port, local_hostname=host, timeout=LIMIT_SECONDS) as server:
            if smtp.encryption == "starttls":
                server.starttls(context=context)
            if smtp.user:
                server.login(smtp.user, password.reveal())
            server.send_message(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise NetworkError(f"the mail server {where} did not take it: {_reason(error)}") from error


def _password(smtp: Smtp) -> Secret[str]:
    if smtp.password_file is None:
        return Secret("")
    try:
        password = Secret(smtp.password_file.read_text().strip("\r\n"))
    except (OSError, UnicodeDecodeError) as error:
        raise ResourceError(f"{smtp.password_file} cannot be read: {error}") from error
    protect(password)
    return password


def _reason(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, refusal = next(iter(error.recipients.values()))
        return f"{code} {refusal.decode(errors='replace')}"
    if isinstance(error, smtplib.SMTPResponseException):
        text: bytes | str = error.smtp_error
        said = text.decode(errors="replace") if isinstance(text, bytes) else text
        return f"{error.smtp_code} {said}"
    return str(error) or type(error).__name__


def this_host() -> str:
    return socket.gethostname()
