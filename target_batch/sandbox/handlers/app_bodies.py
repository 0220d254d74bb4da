"""Bodies of app audience calls, by version."""

from typing import Any, Literal, TypeAlias

from msgspec import UNSET, Struct, UnsetType

Attributes: TypeAlias = dict[str, Any] | UnsetType
Tags: TypeAlias = list[str] | UnsetType
OldType: TypeAlias = Literal["custom_ids", "advertising_ids"]


class OldCreate(Struct, forbid_unknown_fields=True):
    """Body of a create call in 1.0."""

    type: OldType
    description: str = ""


class NewCreate(Struct, forbid_unknown_fields=True):
    """Body of a create call in 1.1."""

    type: Literal["install_ids"]
    description: str = ""


class OldMember(Struct, forbid_unknown_fields=True):
    """One member of a replace in 1.0."""

    id: str


class OldAction(Struct, forbid_unknown_fields=True):
    """One member of an update in 1.0."""

    action: Literal["add", "remove"]
    id: str


class NewMember(Struct, forbid_unknown_fields=True):
    """One member of a replace in 1.1."""

    id: str
    attributes: Attributes = UNSET
    tags: Tags = UNSET


class NewAction(Struct, forbid_unknown_fields=True):
    """One member of an update in 1.1."""

    action: Literal["add", "remove"]
    id: str
    attributes: Attributes = UNSET
    tags: Tags = UNSET


class OldUpdate(Struct, forbid_unknown_fields=True):
    """Body of an update in 1.0."""

    type: OldType
    ids: list[OldAction]


class OldReplace(Struct, forbid_unknown_fields=True):
    """Body of a replace in 1.0."""

    type: OldType
    ids: list[OldMember]


class NewUpdate(Struct, forbid_unknown_fields=True):
    """Body of an update in 1.1."""

    ids: list[NewAction]


class NewReplace(Struct, forbid_unknown_fields=True):
    """Body of a replace in 1.1."""

    ids: list[NewMember]
