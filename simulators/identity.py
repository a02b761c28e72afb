"""What a device says of itself: functions 8, 17 and 43/14; pymodbus spells the answers."""

from collections.abc import Mapping
from dataclasses import dataclass

from pymodbus.constants import DeviceInformation, ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.diag_message import (
    DiagnosticBase,
    ReturnBusCommunicationErrorCountResponse,
    ReturnBusExceptionErrorCountResponse,
    ReturnBusMessageCountResponse,
    ReturnDeviceNoResponseCountResponse,
    ReturnQueryDataResponse,
)
from pymodbus.pdu.mei_message import ReadDeviceInformationRequest, ReadDeviceInformationResponse
from pymodbus.pdu.other_message import ReportDeviceIdResponse

FUNCTIONS = frozenset({8, 17, 43})
OBJECT_BYTES_MAX = 244
"""A larger one would not fit into an answer."""
OBJECT_IDS_FROM = {
    DeviceInformation.BASIC: range(0x03),
    DeviceInformation.REGULAR: range(0x80),
    DeviceInformation.EXTENDED: range(0x100),
}


class UnknownError(Exception):
    """The device refuses the question; ``code`` is the exception of its answer."""

    def __init__(self, code: ExcCodes) -> None:
        """Keep the exception code."""
        super().__init__(code.name)
        self.code = code


@dataclass(frozen=True)
class Identity:
    """Objects by id as device identification numbers them, the id of function 17, and whether it runs.

    ``individual``: single objects can be asked for, too. ValueError where an object is too long.
    """

    objects: Mapping[int, bytes]
    server_id: bytes = b"\x01"
    running: bool = True
    individual: bool = True

    def __post_init__(self) -> None:
        """Check the objects."""
        for number, data in self.objects.items():
            if not 0 <= number <= 0xFF or len(data) > OBJECT_BYTES_MAX:
                raise ValueError(
                    f"object {number} of {len(data)} bytes; 0 to 255, {OBJECT_BYTES_MAX} bytes at most"
                )

    @property
    def conformity(self) -> int:
        """Basic, regular or extended, with 0x80 where single objects can be asked for."""
        level = next(
            code for code, ids in OBJECT_IDS_FROM.items() if all(number in ids for number in self.objects)
        )
        return level | 0x80 * self.individual


@dataclass
class Counters:
    """What a device has seen of its bus since it was seated."""

    bus_messages: int = 0
    bus_communication_errors: int = 0
    bus_exception_errors: int = 0
    server_no_responses: int = 0


_COUNTERS: dict[type[DiagnosticBase], str] = {
    ReturnBusMessageCountResponse: "bus_messages",
    ReturnBusCommunicationErrorCountResponse: "bus_communication_errors",
    ReturnBusExceptionErrorCountResponse: "bus_exception_errors",
    ReturnDeviceNoResponseCountResponse: "server_no_responses",
}
_COUNTER_BY_SUB_FUNCTION = {kind.sub_function_code: (kind, name) for kind, name in _COUNTERS.items()}


def answer(identity: Identity, counters: Counters, request: ModbusPDU) -> ModbusPDU:
    """Return the response to a request of function 8, 17 or 43; UnknownError where it is refused."""
    if request.function_code == ReportDeviceIdResponse.function_code:
        return ReportDeviceIdResponse(identity.server_id, identity.running)
    if isinstance(request, DiagnosticBase):
        return _diagnosed(counters, request)
    if isinstance(request, ReadDeviceInformationRequest):
        return _identified(identity, request)
    raise UnknownError(ExcCodes.ILLEGAL_FUNCTION)


def _diagnosed(counters: Counters, request: DiagnosticBase) -> ModbusPDU:
    if request.sub_function_code == ReturnQueryDataResponse.sub_function_code:
        return ReturnQueryDataResponse(request.message)
    if request.sub_function_code not in _COUNTER_BY_SUB_FUNCTION:
        raise UnknownError(ExcCodes.ILLEGAL_FUNCTION)
    if request.message != 0:
        raise UnknownError(ExcCodes.ILLEGAL_VALUE)
    kind, name = _COUNTER_BY_SUB_FUNCTION[request.sub_function_code]
    return kind(getattr(counters, name) & 0xFFFF)


def _identified(identity: Identity, request: ReadDeviceInformationRequest) -> ModbusPDU:
    code, first = request.read_code, request.object_id
    if code == DeviceInformation.SPECIFIC and identity.individual:
        if first not in identity.objects:
            raise UnknownError(ExcCodes.ILLEGAL_ADDRESS)
        wanted = [first]
    elif code in OBJECT_IDS_FROM:
        # A stream goes on at an object that exists; at any other it begins anew.
        start = first if first in identity.objects else 0
        ids = OBJECT_IDS_FROM[DeviceInformation(code)]
        wanted = sorted(number for number in identity.objects if number in ids and number >= start)
    else:
        raise UnknownError(ExcCodes.ILLEGAL_VALUE)
    response = ReadDeviceInformationResponse(code, {number: identity.objects[number] for number in wanted})
    response.conformity = identity.conformity
    return response
