"""The rotation window of a policy: from one time of day to another in its time zone."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from kms_schema.rotations.claims import RotationError


@dataclass(frozen=True)
class Window:
    """From one local time (HH:MM) to another, which may be on the next day; the same time twice is the whole day.

    Local time decides: an hour that daylight saving time skips is in no window, an hour that it repeats is in its
    window twice.
    """

    policy_name: str
    start: str
    """`HH:MM`, part of the window."""
    end: str
    """`HH:MM`, not part of the window."""
    timezone: str
    """A name of the IANA database, such as `Europe/Berlin`."""

    def __str__(self) -> str:
        """Return `22:00-04:00 Europe/Berlin`."""
        return f"{self.start}-{self.end} {self.timezone}"

    def is_open(self, at: dt.datetime) -> bool:
        """Return True if `at`, an aware time, is in the window. Raises `RotationError` if the time zone is unknown."""
        try:
            zone = zoneinfo.ZoneInfo(self.timezone)
        except (KeyError, OSError, ValueError) as error:  # not found, a folder, a path out of the folder of zones
            raise self._unknown() from error
        time = f"{at.astimezone(zone):%H:%M}"
        if self.start < self.end:
            return self.start <= time < self.end
        return time >= self.start or time < self.end

    def _unknown(self) -> RotationError:
        return RotationError(
            f"policy {self.policy_name!r} has the time zone {self.timezone!r}, which is unknown on this"
            " machine: correct the policy, or update the machine's time zones (pip install tzdata)",
            reason="unknown_time_zone",
        )
