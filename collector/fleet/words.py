"""What the fleet's rules say, in both languages of the house."""

from toml_files import Title

TITLES = {
    "gateway_offline": Title(en="Gateway offline", zh="网关失联"),
    "centre_deaf": Title(
        en="The centre hears nothing: its broker link is down", zh="中心与消息代理断开，收不到任何数据"
    ),
    "line_down": Title(en="Line down: no device on it answers", zh="线路中断：所有设备无响应"),
    "lit_rate": Title(en="Lit rate below its limit", zh="亮灯率低于限值"),
    "intact_rate": Title(en="Intact rate below its limit", zh="设施完好率低于限值"),
    "online_rate": Title(en="Concentrator online rate below its limit", zh="集中器在线率低于限值"),
    "many_neighbours": Title(
        en="Power cut? Many gateways of one area are gone", zh="疑似停电：同一区域多台网关失联"
    ),
}
"""By rule."""

CENTRE_DEAF = "No connection to the broker; no gateway can be heard / 与消息代理断开，收不到任何网关的数据"
OFFLINE = "Its connection to the broker is gone / 与消息代理的连接已断开"
SILENT = "Not heard for {hours} h / {hours} 小时未收到任何数据"
LINE_DOWN = "None of the {count} devices on {line} answers / {line} 上 {count} 台设备全部无响应"
LIT_RATE = (
    "{percent} % of {count} lamps lit, limit {limit} % / {count} 盏灯亮灯率 {percent} %，限值 {limit} %"
)
INTACT_RATE = (
    "{percent} % of {count} lamps intact, limit {limit} % / {count} 盏灯完好率 {percent} %，限值 {limit} %"
)
ONLINE_RATE = (
    "{percent} % of {count} gateways online, limit {limit} %"
    " / {count} 台网关在线率 {percent} %，限值 {limit} %"
)
NEIGHBOURS = "{lost} of {count} gateways in {area} are gone / {area} 的 {count} 台网关中 {lost} 台失联"
NOT_WATCHED = "It is watched no more / 不再监视"
