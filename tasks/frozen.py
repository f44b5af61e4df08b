"""`dataclass` for frozen classes without generated code: a tenth of the time at import.

`dataclasses.dataclass(frozen=True)` compiles six functions a class, about a millisecond; a plan
loads some eighty classes and makes a few hundred objects. Here all classes share the same few
functions. To type checkers, and to `dataclasses.replace`, `asdict` and `fields`, it is the same.
A class made here inherits only from such classes, and only such classes inherit from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:
    import dataclasses
    from dataclasses import MISSING, FrozenInstanceError

    def dataclass(cls=None, /, *, frozen, kw_only=False):
        """As `dataclasses.dataclass`, for frozen classes compared by value."""
        if not frozen:
            raise TypeError("dataclasses.dataclass is for classes that are not frozen")
        return _made(cls, kw_only) if cls else lambda given: _made(given, kw_only)

    def _made(cls, kw_only):
        undocumented = cls.__doc__ is None
        if undocumented:
            # The signature that would take its place costs more than all the rest.
            cls.__doc__ = cls.__name__
        made = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
        if undocumented:
            made.__doc__ = None
        if hasattr(made, "__post_init__"):
            raise TypeError(f"{made.__name__}: __post_init__ is not called here")
        fields = dataclasses.fields(made)
        if not all(field.init for field in fields):
            raise TypeError(f"{made.__name__}: init=False is not for classes made here")
        made.__frozen_fields__ = (
            tuple(field.name for field in fields if not field.kw_only),
            tuple((field.name, field.default, field.default_factory) for field in fields),
        )
        made.__frozen_shown__ = tuple(field.name for field in fields if field.repr)
        made.__frozen_compared__ = tuple(field.name for field in fields if field.compare)
        for name, function in _METHODS.items():
            if name not in cls.__dict__:
                setattr(made, name, function)
        return made

    def _init(self, *args, **kwargs):
        positional, fields = self.__frozen_fields__
        if len(args) > len(positional):
            raise TypeError(
                f"{type(self).__name__} takes {len(positional)} positional arguments,"
                f" {len(args)} were given"
            )
        values = self.__dict__
        for name, value in zip(positional, args, strict=False):
            if name in kwargs:
                raise TypeError(f"{type(self).__name__} got two values for {name!r}")
            values[name] = value
        for name, default, factory in fields:
            if name in values:
                continue
            if name in kwargs:
                values[name] = kwargs.pop(name)
            elif default is not MISSING:
                values[name] = default
            elif factory is not MISSING:
                values[name] = factory()
            else:
                raise TypeError(f"{type(self).__name__} needs {name!r}")
        if kwargs:
            raise TypeError(f"{type(self).__name__} has no {', '.join(map(repr, kwargs))}")

    def _repr(self):
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.__frozen_shown__)
        return f"{type(self).__qualname__}({shown})"

    def _values(self):
        values = self.__dict__
        return tuple([values[name] for name in self.__frozen_compared__])

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        return _values(self) == _values(other)

    def _hash(self):
        return hash(_values(self))

    def _setattr(self, name, value):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def _delattr(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    _METHODS = {
        "__init__": _init,
        "__repr__": _repr,
        "__eq__": _eq,
        "__hash__": _hash,
        "__setattr__": _setattr,
        "__delattr__": _delattr,
    }
