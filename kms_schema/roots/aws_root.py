"""Roots in AWS KMS: an HMAC_256 key that never leaves it, and one GenerateMac for each row."""

import os
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from kms_schema.crypto.errors import RootKeyError, RootUnavailableError
from kms_schema.crypto.roots import HEALTH_MESSAGE
from kms_schema.crypto.secret import Secret

MOST_BYTES = 4096
"""Of a message of GenerateMac."""

_ARN = re.compile(r"arn:[a-z-]+:kms:(?P<region>[a-z0-9-]+):\d{12}:(?:key|alias)/[A-Za-z0-9/_-]+")
_ALGORITHM = "HMAC_SHA_256"
_THROTTLED = frozenset({
    "LimitExceededException", "RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException",
})  # fmt: skip
_INTERNAL = frozenset({"DependencyTimeoutException", "KeyUnavailableException", "KMSInternalException"})
_SETTINGS = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})


def open_root(uri: str) -> "AwsRoot":
    """Return the root of `awskms:ARN`, of a key or an alias. boto3 finds the credentials.

    Raises `RootKeyError` for another URI. Nothing is sent yet.
    """
    arn = uri.removeprefix("awskms:")
    match = _ARN.fullmatch(arn)
    if match is None:
        raise RootKeyError(
            "awskms: takes the ARN of a key or an alias, such as awskms:arn:aws:kms:eu-central-1:111122223333:key/UUID"
        )
    return AwsRoot(arn, match["region"])


class AwsRoot:
    """A `kms_schema.crypto.Root` in AWS KMS."""

    type = "awskms"

    def __init__(self, arn: str, region: str) -> None:
        """Name the key; a client is made at first use.

        arn: of a key or an alias. region: the region that is asked, whatever the environment says.
        """
        self.key = arn
        self._region = region
        self._client: Any = None
        self._process = 0

    def derive(self, message: bytes) -> Secret:
        """Return HMAC-SHA-256 of `message`, which AWS KMS computes: GenerateMac, MacAlgorithm HMAC_SHA_256.

        Raises `RootUnavailableError` if it cannot be reached or refuses, and `RootKeyError` for more than 4,096 bytes.
        """
        if len(message) > MOST_BYTES:
            raise RootKeyError(f"AWS KMS computes the HMAC of at most {MOST_BYTES} bytes, not of {len(message)}")
        try:
            answer = self._connected().generate_mac(KeyId=self.key, Message=message, MacAlgorithm=_ALGORITHM)
        except (BotoCoreError, ClientError) as error:
            self._fail(error)
        return Secret(bytearray(answer["Mac"]))

    def health(self) -> Sequence[str]:
        """Use the key, and return warnings about where it was made, if DescribeKey is permitted. Raises as `derive`."""
        self.derive(HEALTH_MESSAGE).wipe()
        try:
            described = self._connected().describe_key(KeyId=self.key)["KeyMetadata"]
        except (BotoCoreError, ClientError) as error:
            return [f"the origin of the key is unknown: kms:DescribeKey failed ({_code(error)})"]
        found = []
        if described.get("Origin") == "EXTERNAL":
            found.append("the key was made outside of AWS KMS (Origin EXTERNAL): it is as secret as that place was")
        if described.get("DeletionDate") or described.get("KeyState") != "Enabled":
            found.append(f"the key is not enabled for good: its state is {described.get('KeyState')}")
        return found

    def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _connected(self) -> Any:
        if self._client is None or self._process != os.getpid():  # connections are not shared with a forked child
            self._process = os.getpid()
            self._client = boto3.Session().client("kms", region_name=self._region, config=_SETTINGS)
        return self._client

    def _fail(self, error: Exception) -> NoReturn:
        code = _code(error)
        if code in _THROTTLED:
            hint = (
                "too many requests in this account and region, also after retries: try again, have fewer processes open"
                " keys at once, or ask AWS for a higher quota"
            )
        elif code in _INTERNAL or isinstance(error, BotoCoreError):
            hint = "it cannot be reached or used now: look at the network and the credentials, and try again"
        else:
            hint = "is it of the type HMAC_256 and enabled, and is kms:GenerateMac permitted?"
        raise RootUnavailableError(f"AWS KMS does not compute with {self.key} ({code}): {hint}") from None


def _code(error: Exception) -> str:
    """Return the code of an answer, or the class of an error: messages repeat parts of requests."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
