"""When a policy lets its keys be rotated: between two times of day in its time zone."""

import datetime as dt
import zoneinfo
from dataclasses import dataclass

from kms_schema.rotations.claims import RotationError


@dataclass(frozen=True)
class Window:
    """From one time of day to another (HH:MM), which may be on the next day; the same time twice is the whole day.

    It goes by what a clock on the wall shows: where the clocks go forward, the hour that they leave out is in no
    window, and where they go back, the hour that comes twice is in its window twice.
    """

    policy_name: str
    start: str
    end: str
    timezone: str

    def is_open(self, at: dt.datetime) -> bool:
        """Say whether `at`, an aware time, is in the window. Raises `RotationError` for a zone that is not known."""
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
            f"policy {self.policy_name!r} has the time zone {self.timezone!r}, which this machine does not know:"
            " correct the policy, or bring the machine's time zones up to date (pip install tzdata)"
        )
