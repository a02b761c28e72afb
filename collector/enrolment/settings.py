"""``[enrolment]``: how gateways get their identity, and what a broker is told of those that lost theirs."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from toml_files import Strict

Days = Annotated[float, Field(gt=0, le=36_500)]
Path = Annotated[str, Field(max_length=255)]
Word = Annotated[str, Field(min_length=1, max_length=255)]


class Enrolment(Strict):
    """The authority, the EST server, and the list of revoked certificates; without an authority, none."""

    ca_cert_file: Path = ""
    ca_key_file: Path = ""
    host: str = Field(default="0.0.0.0", max_length=64)
    port: int = Field(default=8781, ge=0, le=65_535)
    tls_cert_file: Path = ""
    tls_key_file: Path = ""
    url: str = Field(default="", max_length=255, pattern=r"^(https://[!-~]+)?$")
    certificate_valid_days: Days = 90
    expired_renewal_days_max: Annotated[float, Field(ge=0, le=36_500)] = 180
    renew_unknown: bool = True
    serials_revoked_ahead: int = Field(default=64, ge=0, le=10_000)
    renewals_per_day_max: int = Field(default=24, ge=1, le=10_000)
    certificates_retention_days: Days = 1100
    code_valid_h_max: Annotated[float, Field(gt=0, le=24 * 31)] = 48
    code_tries_max: int = Field(default=10, ge=1, le=1000)
    codes_max: int = Field(default=2000, ge=1, le=100_000)
    connections_max: int = Field(default=64, ge=1, le=10_000)
    request_timeout_s: Annotated[float, Field(gt=0, le=300)] = 15
    crl_file: Path = ""
    crl_valid_days: Days = 180
    crl_renew_h: Annotated[float, Field(gt=0, le=24 * 31)] = 12
    broker_pid_file: Path = ""
    broker_reload_command: list[Word] = Field(default=[], max_length=16)
    cut_off_timeout_s: Annotated[float, Field(gt=0, le=300)] = 20

    @property
    def is_on(self) -> bool:
        """Say whether there is an authority."""
        return bool(self.ca_cert_file)

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        files = (self.ca_cert_file, self.ca_key_file, self.tls_cert_file, self.tls_key_file)
        if any(files) and not all(files):
            raise ValueError(
                "ca_cert_file, ca_key_file, tls_cert_file and tls_key_file belong together; give all, or none"
            )
        if self.crl_renew_h >= self.crl_valid_days * 24:
            raise ValueError("crl_renew_h is not less than crl_valid_days: the list would be over before")
        if self.broker_pid_file and self.broker_reload_command:
            raise ValueError("give broker_pid_file or broker_reload_command, not both")
        return self
