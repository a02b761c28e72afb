"""``python -m tools.sign_release KEY RELEASE``: the signature that `gengfu edge update` asks for, beside it.

KEY is a private Ed25519 key (PEM), made with  openssl genpkey -algorithm ed25519 -out FILE  and kept off the
machines that build. The public line for /etc/gengfu/release_keys is printed.
"""

import argparse
import sys
from pathlib import Path

from contract.errors import ContractError
from contract.releases import SUFFIX, Offer, signed
from contract.signing import SigningKey
from releases.archive import ReleaseError, digest, manifest


def main() -> None:
    """Sign one release."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("key", type=Path)
    parser.add_argument("release", type=Path)
    parser.add_argument(
        "--may-replace",
        action="append",
        default=[],
        metavar="VERSION",
        help="One as new or newer: a downgrade.",
    )
    given = parser.parse_args()
    try:
        if given.key.stat().st_mode & 0o077:
            sys.exit(f"{given.key}: others may have read this key; chmod 600 it if nobody has")
        key = SigningKey.from_pem(given.key.read_bytes())
        said = manifest(given.release)
        offer = Offer(
            1,
            said.product,
            said.version,
            said.python,
            said.multiarch,
            digest(given.release),
            given.may_replace,
        )
        target = given.release.with_name(given.release.name + SUFFIX)
        fresh = target.with_name(f".{target.name}")
        fresh.write_bytes(signed(offer, key))
        fresh.replace(target)
    except (ContractError, ReleaseError, OSError) as error:
        sys.exit(f"{given.release}: {error}")
    print(f"{target} written; for /etc/gengfu/release_keys:\n{key.public.line}")


if __name__ == "__main__":
    main()
