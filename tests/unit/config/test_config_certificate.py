"""The validity of certificates is read from their DER form."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from configuration_samples import FILES
from hypothesis import given
from hypothesis import strategies as st

from tasks.config.certificate import validity

DER = ssl.PEM_cert_to_DER_cert((FILES / "expired.pem").read_text())


@pytest.mark.parametrize(
    ("name", "start", "end"), [("expired.pem", 2020, 2021), ("future.pem", 2100, 2101)]
)
def test_both_forms_of_time_are_read(name: str, start: int, end: int) -> None:
    der = ssl.PEM_cert_to_DER_cert((FILES / name).read_text())

    assert validity(der) == (datetime(start, 1, 1, tzinfo=UTC), datetime(end, 1, 1, tzinfo=UTC))


def test_the_der_form_of_a_pem_file_is_the_same() -> None:
    pem = ssl.PEM_cert_to_DER_cert((FILES / "good.pem").read_text())

    assert pem == (FILES / "good.der").read_bytes()
    assert validity(pem)[1].year > 2100


@given(st.integers(0, len(DER) - 1), st.integers(0, 255))
def test_a_changed_byte_gives_times_or_the_errors_it_names(place: int, byte: int) -> None:
    damaged = DER[:place] + bytes([byte]) + DER[place + 1 :]
    try:
        start, end = validity(damaged)
    except (ValueError, IndexError):
        return
    assert start.tzinfo is end.tzinfo is UTC


@given(st.binary(max_size=300))
def test_any_bytes_give_times_or_the_errors_it_names(data: bytes) -> None:
    try:
        validity(data)
    except (ValueError, IndexError):
        return
