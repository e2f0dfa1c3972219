"""How a message is to travel is passed on to servers that know it; who must know it and does not gets nothing."""

from dataclasses import replace

import pytest
from mailproto.smtp.client import ClientMachine, Finished, Outgoing, Passed, Ready
from mailproto.smtp.wishes import By, ByMode, TlsWish

OUT = Outgoing("a@x.test", ("b@y.test",), 100)


def send(outgoing: Outgoing, *extensions: str) -> tuple[str, Finished]:
    """What was said to a server with these extensions that takes everything, and what came of it."""
    machine = ClientMachine("me.test", wants_tls=False)
    ehlo = "".join(f"250-{each}\r\n" for each in ("s.test", *extensions)) + "250 PIPELINING\r\n"
    machine.feed(b"220 hi\r\n" + ehlo.encode())
    assert isinstance(machine.next_event(), Ready)
    machine.output()
    machine.send(outgoing)
    said = machine.output().decode()
    if said:
        machine.feed(b"250 a\r\n250 b\r\n354 go\r\n250 done\r\n")
        machine.next_event()
        machine.content_sent()
    finished = machine.next_event()
    assert isinstance(finished, Finished)
    return said.partition("\r\n")[0], finished


def test_everything_is_passed_on_where_it_is_known() -> None:
    outgoing = replace(OUT, tls=TlsWish.REQUIRED, by=By(90, ByMode.RETURN), priority=-3)
    said, finished = send(outgoing, "REQUIRETLS", "DELIVERBY", "MT-PRIORITY MIXER")
    assert said == "MAIL FROM:<a@x.test> REQUIRETLS BY=90;R MT-PRIORITY=-3"
    assert finished.by is Passed.ON


def test_a_server_that_does_not_know_it_is_not_asked() -> None:
    outgoing = replace(OUT, tls=TlsWish.OPTIONAL, by=By(-5, ByMode.NOTIFY), priority=4)
    said, finished = send(outgoing)
    assert said == "MAIL FROM:<a@x.test>"
    assert (finished.replies[0].code, finished.by) == (250, Passed.NOT_ON)
    assert send(OUT, "REQUIRETLS", "DELIVERBY", "MT-PRIORITY")[0] == "MAIL FROM:<a@x.test>"


@pytest.mark.parametrize(
    ("outgoing", "extensions", "status"),
    [
        (replace(OUT, tls=TlsWish.REQUIRED), ("DELIVERBY",), "5.7.30"),
        (replace(OUT, by=By(90, ByMode.RETURN)), ("REQUIRETLS",), "5.3.3"),
        (replace(OUT, by=By(90, ByMode.RETURN)), ("DELIVERBY 120",), "5.3.3"),
    ],
)
def test_who_must_know_it_and_does_not_gets_nothing(
    outgoing: Outgoing, extensions: tuple[str, ...], status: str
) -> None:
    said, finished = send(outgoing, *extensions)
    assert said == ""
    assert [(each.code, each.enhanced) for each in finished.replies] == [(550, status)]


def test_a_notice_goes_on_without_requiretls() -> None:
    notice = replace(OUT, reverse_path="", tls=TlsWish.REQUIRED)
    assert send(notice)[0] == "MAIL FROM:<>"
    assert send(notice, "REQUIRETLS")[0] == "MAIL FROM:<> REQUIRETLS"
    assert send(replace(OUT, by=By(120, ByMode.RETURN)), "DELIVERBY 120")[0].endswith("BY=120;R")
