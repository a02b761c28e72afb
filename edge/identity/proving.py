"""This gateway's own certificate and key, given to a connection that is to prove who it is."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from edge.identity import keys
from edge.identity.errors import IdentityError
from edge.identity.provider import PROVIDER
from edge.identity.tpm import Tpm
from edge.settings import Identity


@dataclass(frozen=True)
class Own:
    """Where they are, and of which kind the key is to be."""

    cert: Path
    key: Path
    wanted: Identity

    def wrong(self) -> str:
        """Return why a TPM does not sign with the key, as far as can be told."""
        told = Tpm(self.wanted.tpm).wrong(self.key)
        return told or f"the TPM {self.wanted.tpm} did not sign, and would now; it is tried again"

    def given(self, context: ssl.SSLContext) -> None:
        """Give them to a context; IdentityError. With a key of a TPM this may take seconds."""
        keys.read(self.key, self.wanted)
        if self.wanted.key == "tpm":
            PROVIDER.bring(context, self.cert, self.key, Tpm(self.wanted.tpm))
            return
        try:
            context.load_cert_chain(self.cert, self.key, password=lambda: "")
        except (ssl.SSLError, OSError) as error:
            raise IdentityError(
                f"{self.cert}: cannot be used: {error}; enrol again with a new code"
            ) from error
