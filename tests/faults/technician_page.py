# ruff: noqa: E501 - prose in two languages
"""The technician's tutorial, docs/tutorials/technician.md: words of ours around what stood in a terminal."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs/tutorials"
PAGES = {"en": FOLDER / "technician.md", "zh": FOLDER / "technician.zh-CN.md"}
COMMANDS = (
    "apt install ./{package}",
    "gengfu edge identify --write /etc/gengfu/edge.toml --effort quick",
    "",  # as the centre tells it
    "systemctl enable --now gengfu-edge",
    "gengfu edge lines",
)
"""What is typed; the third is the centre's."""
CODE, FINGERPRINT = "KP6V-9XCN-FHJ4-99SN", "a9f5" * 16
STEADY = (
    (re.compile(r"\b[0-9A-Z]{4}(-[0-9A-Z]{4}){3}\b"), CODE),
    (re.compile(r"\b[0-9a-f]{64}\b"), FINGERPRINT),
    (re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d(:\d\d)?"), "2027-02-25 09:30"),
)
"""What is another each time, and what stands in the page instead."""


@dataclass(frozen=True)
class Step:
    """A command, and all that stood in the terminal when it was done, the prompt and the command first."""

    command: str
    shown: str


TEXTS = {
    "en": (
        """# Tutorial: from a bare machine to a reporting gateway

For the technician at the cabinet, with a laptop on the gateway's terminal. Five commands; each tells the next one. What stands here is
what stood in a terminal of 80 columns: `python -m tests.faults.technician --write` types the commands on a clean Debian 12, asks at the
centre whether every point of every device has arrived, and writes this page. Codes, fingerprints and times are made alike. The devices and
the serial line were simulated: a meter, a climate sensor and an inclination sensor, all set to 19200 baud.

You need the package for your machine ([how to build it](../how-to/install.md)), and somebody at the centre
([how it is set up](../how-to/enrolment.md)). You are root; else put `sudo` before each command.
""",
        """## 1. Install

Everything is in the package; nothing is fetched.
""",
        """## 2. Find the devices

All serial ports are searched, and nothing is written to a device. Look at what it wants to add to the settings, then answer `y`. On an
old line with unusual settings leave `--effort quick` out: that takes some minutes more ([more on finding devices](../how-to/finding-devices.md)).
""",
        """## 3. Enrol

Call the centre. There `gengfu gateways code cabinet-7` prints the command to type, with a code that works once. The key is made here and
never leaves. If another fingerprint is told than the one given, stop: somebody else answers there.
""",
        """## 4. Start

From now on it starts with the machine, and is started again if it hangs.
""",
        """## 5. Look

Ten seconds after the start, and any time later. Every device must be `ok`; if one is not, `gengfu edge doctor` says why. At the centre the
values are there within a minute.
""",
    ),
    "zh": (
        """# 教程：从一台空机器到上报数据的网关

写给站在机柜前、用笔记本连着网关终端的技术员。一共五条命令，每条命令都会提示下一条。本页内容就是 80 列终端里真实显示的内容：
`python -m tests.faults.technician --language zh --write` 在干净的 Debian 12 上逐条输入命令，再到中心核对每台设备的每个测点都已收到，
然后写出本页。注册码、指纹和时间已统一替换。设备与串行线路为仿真：电表、温湿度传感器、倾角传感器各一台，均设为 19200 波特。

需要：与机器相符的安装包（[如何构建](../how-to/install.md)），以及中心的值班人员（[如何建立中心](../how-to/enrolment.md)）。
以 root 身份操作；否则在每条命令前加 `sudo`。
""",
        """## 1. 安装

安装包自带全部内容，无需联网下载。
""",
        """## 2. 查找设备

搜索全部串口，不向设备写入任何内容。看清将要写入设置的内容后，回答 `y`。线路参数特殊时去掉 `--effort quick`，会多用几分钟
（[更多说明](../how-to/finding-devices.md)）。
""",
        """## 3. 注册

致电中心。中心执行 `gengfu gateways code cabinet-7`，会给出要输入的命令和一次性注册码。私钥在本机生成，不离开本机。如果提示的指纹
与给出的不一致，请停下：应答的不是中心。
""",
        """## 4. 启动

此后随机器启动；若停止响应会自动重启。
""",
        """## 5. 查看

启动十秒后即可查看，以后随时可用。每台设备的状态都应为“正常”；如果不是，用 `gengfu edge doctor` 查原因。一分钟内中心即可看到数值。
""",
    ),
}


def page(language: str, steps: list[Step]) -> str:
    """Return the page. Pure."""
    head, *texts = TEXTS[language]
    parts = [head]
    for text, step in zip(texts, steps, strict=True):
        parts.append(f"{text}\n```console\n{steady(step.shown)}\n```\n")
    return "\n".join(parts)


def write(language: str, steps: list[Step]) -> Path:
    """Write the page, and return where it is."""
    path = PAGES[language]
    path.parent.mkdir(exist_ok=True)
    path.write_text(page(language, steps), encoding="utf-8")
    return path


def steady(shown: str) -> str:
    """Return what stood in the terminal without what is another each time."""
    for pattern, instead in STEADY:
        shown = pattern.sub(instead, shown)
    return "\n".join(row.rstrip() for row in shown.split("\n"))


def typed(text: str) -> list[str]:
    """Return the commands of a page, as they are typed."""
    return re.findall(r"^root@[^ ]+# (.+)$", text, re.MULTILINE)
