"""The region of an AWS profile, as botocore reads it from the AWS configuration files."""

from __future__ import annotations


class ProfileError(LookupError):
    """The profile cannot be read; the message says why, without naming it."""


def botocore_profile_region(profile: str | None) -> str | None:
    """The configured region of `profile` (None: the one in AWS_PROFILE, else `default`), if any.

    Raises:
        ProfileError: there is no such profile, or the AWS configuration files cannot be read.
    """
    # The import takes a tenth of a second, and most configurations name their regions.
    from botocore import exceptions, session  # noqa: PLC0415  see above

    try:
        region: str | None = session.Session(profile=profile).get_scoped_config().get("region")
    except exceptions.ProfileNotFound:
        raise ProfileError("is not in the AWS configuration files") from None
    except exceptions.BotoCoreError as error:
        raise ProfileError(f"cannot be read: {type(error).__name__}") from None
    return region
