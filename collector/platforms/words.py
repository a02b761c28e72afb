"""What people are told who decide on messages to platforms, in English and Chinese."""

from fastapi import HTTPException, Request

ERRORS = {
    "no_message": ("there is no message {message}", "没有消息 {message}"),
    "waits_for_nobody": (
        "message {message} waits for nobody: it is {state}; look at the list again",
        "消息 {message} 无需人工处理：状态为“{state}”；请重新查看列表",
    ),
    "no_callbacks": (
        "no platform {name!r} of this centre has callbacks",
        "本中心没有名为 {name!r} 且配置了回调的平台",
    ),
    "too_long": ("at most {bytes_max} bytes", "最多 {bytes_max} 字节"),
}
STATES = {
    "waiting": ("waiting", "待发"),
    "sending": ("being sent", "发送中"),
    "asking": ("being asked for", "核对中"),
    "done": ("done", "已送达"),
}


def wants_chinese(request: Request) -> bool:
    """Say which language is asked for."""
    return request.headers.get("accept-language", "").strip().lower().startswith("zh")


def refusal(code: int, key: str, *, chinese: bool, **values: str | int) -> HTTPException:
    """Return a refusal in a sentence; ``state`` is told by its name."""
    if "state" in values:
        values["state"] = STATES[str(values["state"])][chinese]
    return HTTPException(code, ERRORS[key][chinese].format(**values))
