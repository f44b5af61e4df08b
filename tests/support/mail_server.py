"""A mail server of RFC 5321 on loopback, as much of it as a client that sends one mail needs."""

from __future__ import annotations

import base64
import socket
import ssl
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage

from loopback_server import LoopbackServer


@dataclass
class Received:
    """One mail. logins: user and password of those who sent it; encrypted: over TLS; name: what
    the sender calls itself."""

    sender: str
    recipients: list[str]
    mail: EmailMessage
    logins: list[str]
    encrypted: bool
    name: str


@dataclass
class MailServer(LoopbackServer):
    """Runs within its `with`. tls: given, STARTTLS is offered; at_once: it is spoken from the
    beginning instead. silent: nothing is ever said. refuse: what RCPT is answered."""

    tls: ssl.SSLContext | None = None
    at_once: bool = False
    silent: bool = False
    refuse: str = ""
    login: str = ""
    received: list[Received] = field(default_factory=list)

    def talk(self, connection: socket.socket) -> None:
        encrypted = False
        if self.tls and self.at_once:
            try:
                connection, encrypted = self.tls.wrap_socket(connection, server_side=True), True
            except (ssl.SSLError, OSError):
                return
        stream = connection.makefile("rwb")

        def say(text: str) -> None:
            stream.write(f"{text}\r\n".encode())
            stream.flush()

        if self.silent:
            stream.read()
            return
        sender, name, recipients, logins = "", "", list[str](), list[str]()
        say("220 mail.example.com ESMTP")
        while line := stream.readline():
            words = line.decode().strip().split(" ", 1)
            verb, rest = words[0].upper(), words[-1]
            if verb in ("EHLO", "HELO"):
                name = rest
                offers = ["mail.example.com", "8BITMIME"]
                offers += ["STARTTLS"] if self.tls and not encrypted else []
                offers += ["AUTH PLAIN"] if self.login else []
                for offer in offers[:-1]:
                    say(f"250-{offer}")
                say(f"250 {offers[-1]}")
            elif verb == "STARTTLS" and self.tls:
                say("220 go on")
                try:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                except (ssl.SSLError, OSError):
                    return
                stream, encrypted = connection.makefile("rwb"), True
            elif verb == "AUTH":
                _, user, password = base64.b64decode(rest.split(" ")[1]).decode().split("\0")
                logins.append(f"{user}:{password}")
                good = logins[-1] == self.login
                say("235 welcome" if good else "535 5.7.8 wrong user or password")
            elif verb == "MAIL":
                sender = rest.partition("<")[2].partition(">")[0]
                say("250 ok")
            elif verb == "RCPT":
                recipients.append(rest.partition("<")[2].partition(">")[0])
                say(self.refuse or "250 ok")
            elif verb == "DATA":
                say("354 end with a dot")
                data = b""
                while (part := stream.readline()) != b".\r\n":
                    data += part.removeprefix(b".")
                mail = message_from_bytes(data, policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.received.append(Received(sender, recipients, mail, logins, encrypted, name))
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 ok")
