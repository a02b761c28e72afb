# ruff: noqa: E501 - two languages side by side
"""What scan, identify and doctor say, in both languages."""

import os

from gengfu.language import language

TEXTS = {
    "listening": ("listening", "侦听中"),
    "asking": ("asking", "询问中"),
    "searching": ("searching", "搜索中"),
    "found_one": ("{0}: unit {1} answers at {2}, {3}", "{0}：地址 {1} 应答，{2}，{3}"),
    "port_in_use": (
        "{0}: another program has this port; if it is the gateway, name its settings with --settings",
        "{0}：端口被其他程序占用；若是网关，请用 --settings 指定其设置文件",
    ),
    "no_port": (
        "{0}: there is no such port; run `gengfu edge scan` without one to see all",
        "{0}：没有此端口；不带端口运行 `gengfu edge scan` 可列出全部",
    ),
    "not_allowed": (
        "{0}: you may not open it; run as root (sudo), or join the group dialout",
        "{0}：无权打开；请用 root（sudo）运行，或加入 dialout 组",
    ),
    "stopped_early": ("line {0}: stopped before it was over", "线路 {0}：提前停止"),
    "no_ports": (
        "this machine has no serial port; plug the adapter in, or name a port",
        "本机没有串口；请插上适配器，或指定端口",
    ),
    "scan_head": (
        "{0}: {1} found, {2} questions in {3:.1f} s ({4:.2f} times the {5:.1f} s that the wire and the time-outs take)",
        "{0}：发现 {1} 台，{2} 次询问，用时 {3:.1f} 秒（线路与超时至少需 {5:.1f} 秒，为其 {4:.2f} 倍）",
    ),
    "live": (
        "{0}: another master speaks on this line{1}; nothing {2} sent. Stop it, or scan while it is off",
        "{0}：线路上另有主站在通信{1}；{2}发送。请先停止该主站",
    ),
    "live_asks": (", and asks units {0}", "，询问地址 {0}"),
    "live_hears": (", and units {0} answer", "，地址 {0} 应答"),
    "was": ("was", "未"),
    "more_was": ("more was", "未继续"),
    "stopped": ("stopped before it was over: there may be more", "提前停止：可能还有设备"),
    "unclear": (
        "unit {0} at {1}: bytes come that are no answer; two devices of one address? See `gengfu edge doctor`",
        "地址 {0}，{1}：收到的不是应答；是否两台设备同址？参见 `gengfu edge doctor`",
    ),
    "echo": ("the adapter hands our own requests back; they are passed over", "适配器回送我方请求；已忽略"),
    "unit": ("unit", "地址"),
    "format": ("format", "格式"),
    "mode": ("mode", "模式"),
    "answered": ("answers with", "应答"),
    "answer_ms": ("after ms", "时延 ms"),
    "value": ("a value", "数值"),
    "refusal": ("a refusal", "异常码"),
    "port": ("port", "端口"),
    "what": ("what it is", "设备"),
    "sure": ("how sure", "把握"),
    "certain": ("certain", "确定"),
    "likely": ("likely", "很可能"),
    "ambiguous": ("cannot tell", "无法区分"),
    "unknown": ("unknown", "未知"),
    "silent": ("it does not answer any more", "不再应答"),
    "no_profile_fits": ("no profile fits what it answers", "没有匹配的设备模型"),
    "others_fit_as_well": ("these fit as well: the bytes do not tell", "以下均符合：仅凭字节无法区分"),
    "could_be_chance": (
        "it fits, but so might another device's registers",
        "符合，但其他设备的寄存器也可能如此",
    ),
    "something_does_not_fit": ("something does not fit", "有不符之处"),
    "it_does_not_name_itself": ("it does not name itself", "设备未自报名称"),
    "names_itself": ("it says it is {0}", "自报为 {0}"),
    "names_itself_otherwise": ("it says it is {0}, which is another", "自报为 {0}，与此不同"),
    "server_id": ("its server id begins as documented", "设备标识与文档一致"),
    "server_id_otherwise": ("its server id is {0}, not the documented one", "设备标识为 {0}，与文档不符"),
    "signature_fits": ("telling register {0}: as documented", "特征寄存器 {0}：与文档一致"),
    "signature_differs": ("telling register {0}: not as documented", "特征寄存器 {0}：与文档不符"),
    "signature_missing": ("it has no register {0}", "没有寄存器 {0}"),
    "registers_there": ("it has the registers {0}", "有寄存器 {0}"),
    "registers_missing": ("it lacks the registers {0}", "缺少寄存器 {0}"),
    "ends_where_documented": ("its registers end there: {0}", "寄存器到此为止：{0}"),
    "value_credible": ("{0} is credible", "{0} 数值可信"),
    "value_not_credible": ("{0} is not credible", "{0} 数值不可信"),
    "as_documented": ("as documented, without a shim", "按文档，无需修正"),
    "no_change": ("nothing to add to {0}", "{0} 无需改动"),
    "added": ("added to {0}: {1}", "已写入 {0}：{1}"),
    "place": ("unit {0} on {1}", "{1} 地址 {0}"),
    "placed": ("{0}: {1}, unit {2} on {3}", "{0}（{1}，{3} 地址 {2}）"),
    "next_enrol": (
        "next: `gengfu edge enrol` as the centre tells it there: gengfu gateways code GATEWAY",
        "下一步：在中心执行 gengfu gateways code GATEWAY，按其给出的 `gengfu edge enrol` 命令注册",
    ),
    "next_start": ("next: start the gateway, or start it again", "下一步：启动或重启网关"),
    "left": ("left to you, as comments: {0}", "留待您选择（已写为注释）：{0}"),
    "not_written": ("{0} stays as it is: the result would not be sound:", "{0} 未改动：结果未通过检查："),
    "write": ("Write this?", "写入？"),
    "well": ("{0}: nothing is wrong that the bytes could tell", "{0}：从字节看不出问题"),
    "likely_causes": ("{0}: likely causes, the likeliest first", "{0}：可能的原因，按可能性排列"),
    "cannot_tell": (
        "{0}: the bytes cannot tell which of these it is; try them in this order",
        "{0}：仅凭字节无法确定是哪一个；请按此顺序尝试",
    ),
    "because": ("because: {0}", "依据：{0}"),
    "try": ("try: {0}", "尝试：{0}"),
    "units": ("units {0}", "地址 {0}"),
    "no_serial_lines": ("{0} has no serial lines", "{0} 没有串行线路"),
}

CAUSES = {
    "port_missing": (
        ("the port is not there", "端口不存在"),
        (
            "plug the adapter in; look at the port's name with `gengfu edge scan`",
            "插好适配器；用 `gengfu edge scan` 查看端口名",
        ),
    ),
    "port_busy": (
        ("another program has the port", "端口被占用"),
        ("end that program, or ask the gateway with --settings", "结束该程序，或用 --settings 通过网关执行"),
    ),
    "no_power_or_cut": (
        ("no power, a cut wire, or the wrong port", "设备无电、断线或接错端口"),
        (
            "measure the supply at the device; follow A and B from the gateway to it; unplug it and see which port changes",
            "在设备处量电源；从网关沿 A、B 线查到设备；拔插确认端口",
        ),
    ),
    "swapped_wires": (
        ("A and B are swapped", "A、B 线接反"),
        (
            "swap the two wires at one end; makers do not agree on which is A",
            "把一端的两根线对调；各厂家 A/B 标法不一",
        ),
    ),
    "wrong_baud": (
        ("the devices run at another baud rate", "波特率不一致"),
        (
            "set baud in the settings as `gengfu edge scan` finds it, or set the device",
            "按扫描结果改 baud，或重设设备",
        ),
    ),
    "wrong_parity": (
        ("the devices have another parity", "校验位不一致"),
        (
            "set parity in the settings as `gengfu edge scan` finds it, or set the device",
            "按扫描结果改 parity，或重设设备",
        ),
    ),
    "wrong_mode": (
        ("RTU on one side, ASCII on the other", "RTU 与 ASCII 模式不一致"),
        ("set transmission_mode in the settings as found", "按扫描结果改 transmission_mode"),
    ),
    "wrong_unit": (
        ("the device has another address", "设备地址不对"),
        (
            "set unit_id as `gengfu edge scan` finds it, or set the device's switches",
            "按扫描结果改 unit_id，或拨设备地址开关",
        ),
    ),
    "address_conflict": (
        ("two devices have the same address", "两台设备同址"),
        (
            "unplug devices one by one until the answers are clean; give one another address",
            "逐台断开直到应答正常；给其中一台另设地址",
        ),
    ),
    "other_master": (
        ("another master asks on this line", "线路上另有主站"),
        (
            "find the old controller or laptop that still polls, and take it off",
            "找出仍在轮询的旧控制器或电脑并断开",
        ),
    ),
    "echo": (
        ("the adapter hands back what we send", "适配器回送我方发送的内容"),
        (
            "that alone does no harm; turn local echo off at the adapter if it has a switch",
            "本身无害；若适配器有开关可关闭本地回显",
        ),
    ),
    "late_answers": (
        ("the device answers later than the settings allow", "设备应答过慢"),
        ("raise its timeout_s above the time that its answers take", "加大该设备的 timeout_s"),
    ),
    "noise": (
        ("noise on the line", "线路干扰"),
        (
            "keep the cable away from mains and drives; use a twisted pair, its shield earthed at one end",
            "远离强电与变频器；用双绞屏蔽线，屏蔽层单端接地",
        ),
    ),
    "missing_termination": (
        ("no termination at the line's ends", "线路两端缺终端电阻"),
        (
            "put 120 ohm at both ends and nowhere else; try a lower baud rate",
            "仅在两端各接 120 欧；可试降低波特率",
        ),
    ),
    "floating_line": (
        ("nothing holds the line at rest (no bias)", "空闲时线路悬空（无偏置）"),
        (
            "switch bias resistors on at one place; connect the signal grounds",
            "在一处接入偏置电阻；连接信号地",
        ),
    ),
    "direction": (
        ("a transceiver turns round too late or too early", "收发方向切换过早或过晚"),
        (
            "try the other values of direction in the settings; raise turnaround_s",
            "试 direction 的其他取值；加大 turnaround_s",
        ),
    ),
    "repeated": (
        ("a repeater or converter sends everything twice", "中继器或转换器重复发送"),
        ("take repeaters out of the line one by one", "逐个去掉中继器"),
    ),
    "loose_contact": (
        ("a loose contact", "接触不良"),
        (
            "tighten the clamps; move the cable while `gengfu edge doctor` runs",
            "拧紧端子；运行时晃动电缆观察",
        ),
    ),
    "wrong_profile": (
        ("the device is another than its profile says, or has another firmware", "设备与模型不符或固件不同"),
        ("ask `gengfu edge identify` what it is", "用 `gengfu edge identify` 识别"),
    ),
    "other_protocol": (
        ("what answers speaks another protocol, or changes addresses", "应答方使用其他协议，或改动了地址"),
        (
            "look for a converter or gateway between; read the device's manual on its protocol",
            "查看中间有无转换器或网关；查设备协议手册",
        ),
    ),
    "slow_adapter": (
        ("the USB adapter keeps bytes back", "USB 适配器延迟字节"),
        ("let a udev rule write 1 to its latency_timer", "用 udev 规则把 latency_timer 写为 1"),
    ),
}
"""Each cause, and what to try next."""

SYMPTOMS = {
    "port_missing": ("the port cannot be opened: {0}", "端口打不开：{0}"),
    "port_busy": ("the port is in use: {0}", "端口被占用：{0}"),
    "silent": ("silence", "无应答"),
    "nobody_answers": ("nobody on the line answers", "全线无应答"),
    "breaks": ("only breaks (0x00) are heard", "只听到 0x00（断路）"),
    "answers_at_other_baud": ("it answers at {0}", "在 {0} 应答"),
    "answers_with_other_parity": ("it answers at {0}", "在 {0} 应答"),
    "answers_in_other_mode": ("it answers in {0}", "以 {0} 应答"),
    "answers_at_other_unit": (
        "somebody answers at unit {0}, which is not in the settings",
        "地址 {0} 应答，但不在设置中",
    ),
    "sometimes_silent": ("now and then no answer", "时有无应答"),
    "garbled": ("answers come, never a sound one", "有应答但都不完整"),
    "sometimes_garbled": ("now and then a harmed answer", "时有应答出错"),
    "several_garbled": ("harmed answers from several units ({0})", "多个地址的应答出错（{0}）"),
    "tail_lost": ("answers break off", "应答被截断"),
    "head_lost": ("the first bytes of answers are missing", "应答缺少开头字节"),
    "floating": ("a stray 0x00 or 0xFF beside answers", "应答前后有多余的 0x00 或 0xFF"),
    "garbage_around": ("other bytes beside answers", "应答前后有杂字节"),
    "late": ("answers begin late", "应答开始过晚"),
    "other_unit": ("answers come from another unit", "其他地址应答"),
    "other_form": ("answers have another form than was asked for", "应答格式与询问不符"),
    "other_frames": ("other frames run into the answers", "应答中混入其他报文"),
    "answered_twice": ("every answer comes twice", "应答重复两次"),
    "two_answers": ("two different answers to one question", "一问两答且不同"),
    "refuses": ("it refuses what its profile reads", "拒绝模型所读寄存器"),
    "foreign_requests": ("requests that are not ours", "有他方请求"),
    "frames_unasked": ("frames that nobody of us asked for", "有非我方询问的报文"),
    "bytes_unasked": ("bytes while nobody was asked ({0})", "未询问时有字节（{0}）"),
    "echo": ("our own requests come back", "我方请求被回送"),
    "adapter_keeps_back": ("the adapter keeps bytes back for {0} ms", "适配器延迟 {0} 毫秒"),
}


def pick(texts: tuple[str, str]) -> str:
    """Return the one that is read at this terminal."""
    return texts[language(os.environ) == "zh"]


def text(key: str) -> str:
    """Return one of the texts."""
    return pick(TEXTS[key])
