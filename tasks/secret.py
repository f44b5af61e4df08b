"""A value that cannot be printed, formatted, compared in a diff or serialised by accident."""

from __future__ import annotations

from typing import Any, Generic, NoReturn, TypeVar

T = TypeVar("T", str, bytes)


class Secret(Generic[T]):
    """A password, a passphrase, a token, a private key: `reveal` alone gives it.

    Two are equal where kind and value are, compared in constant time. Where text would be made of
    one (`str`, an f-string, JSON, YAML, pickle), a TypeError says so: a mask in its place would end
    up in a command or a file. Its representation, which tracebacks and tests show, is masked.
    """

    __slots__ = ("_value",)
    _value: T

    def __init__(self, value: T) -> None:
        object.__setattr__(self, "_value", value)

    def reveal(self) -> T:
        return self._value

    def __repr__(self) -> str:
        return f"{type(self).__name__}(…)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret) or type(other) is not type(self):
            return NotImplemented
        import hmac

        own, others = self._value, other._value
        return type(own) is type(others) and hmac.compare_digest(_bytes(own), _bytes(others))

    def __hash__(self) -> int:
        return hash(self._value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a secret does not change")

    def __str__(self) -> str:
        self._refuse()

    def __format__(self, form: str) -> str:
        self._refuse()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self._refuse()

    def __copy__(self) -> Secret[T]:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Secret[T]:
        return self

    def _refuse(self) -> NoReturn:
        raise TypeError(f"a {type(self).__name__} is not written anywhere as it is: see reveal")


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
