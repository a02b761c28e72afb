"""The systems that packages are built for: a Python and a machine."""

import platform
import sys
from dataclasses import dataclass

MACHINES = {
    "amd64": ("x86_64-linux-gnu", "x86_64"),
    "arm64": ("aarch64-linux-gnu", "aarch64"),
    "armhf": ("arm-linux-gnueabihf", "armv7l"),
}
"""By Debian's name: the multiarch name, and the name that wheels and the kernel use."""
GLIBC_MINORS = range(17, 37)
"""Wheels for the C library of Debian 12 (2.36) and older ones run there."""
SYSTEMS = {"3.11": "Debian 12", "3.12": "Ubuntu 24.04", "3.13": "Debian 13"}


@dataclass(frozen=True)
class Target:
    """One of them."""

    python: str
    """Major and minor, as 3.11."""
    architecture: str
    """As Debian names it."""

    @classmethod
    def here(cls) -> "Target":
        """Return this machine's, with the Python that runs this."""
        known = [name for name, (_, machine) in MACHINES.items() if machine == platform.machine()]
        return cls(f"{sys.version_info[0]}.{sys.version_info[1]}", known[0] if known else "amd64")

    @property
    def multiarch(self) -> str:
        """The machine's multiarch name."""
        return MACHINES[self.architecture][0]

    @property
    def machine(self) -> str:
        """The machine's name in wheels."""
        return MACHINES[self.architecture][1]

    @property
    def markers(self) -> dict[str, str]:
        """What differs in a requirement's markers."""
        return {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_machine": self.machine,
        }

    @property
    def pip_options(self) -> list[str]:
        """What tells pip to choose wheels for it, whatever runs pip."""
        tag = f"cp{self.python.replace('.', '')}"
        options = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}"]
        options += [f"--abi={abi}" for abi in (tag, "abi3", "none")]
        platforms = [f"manylinux2014_{self.machine}", f"linux_{self.machine}"]
        platforms += [f"manylinux_2_{minor}_{self.machine}" for minor in reversed(GLIBC_MINORS)]
        return [*options, *(f"--platform={each}" for each in platforms)]
