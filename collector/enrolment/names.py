"""Who a certificate speaks for: its common name, and a URI that says the district too. Pure."""

from cryptography import x509
from cryptography.x509.oid import NameOID

from contract.errors import ContractError
from contract.names import checked_name


class NotAGatewayError(ValueError):
    """A certificate or a request is none of this district's gateways; the text says why."""


def uri(district: str, gateway: str) -> str:
    """Return the URI that a gateway's certificate carries."""
    return f"gengfu://{district}/{gateway}"


def collector_name(district: str) -> str:
    """Return the centre's own common name; no gateway can be called so."""
    return f"collector@{district}"


def probe_name(district: str) -> str:
    """Return the common name of what asks a broker whether it knows a revocation."""
    return f"probe@{district}"


def common_name(name: x509.Name) -> str:
    """Return the one common name; NotAGatewayError where there is none, or anything beside it."""
    told = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(told) != 1 or len(list(name)) != 1:
        raise NotAGatewayError(f"the subject {name.rfc4514_string()[:200]!r} is not one common name (CN)")
    return str(told[0].value)


def gateway_of(certificate: x509.Certificate, district: str) -> str:
    """Return the gateway that a certificate speaks for; NotAGatewayError where it is none of the district."""
    name = common_name(certificate.subject)
    try:
        checked_name(name, "gateway")
    except ContractError as error:
        raise NotAGatewayError(str(error)) from error
    if alternatives(certificate.extensions) != [uri(district, name)]:
        raise NotAGatewayError(f"the certificate of {name} is not one of district {district}")
    return name


def alternatives(extensions: x509.Extensions) -> list[str] | None:
    """Return the alternative names as texts, URIs as they are; None where there are none at all."""
    try:
        told = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    return [
        str(each.value) if isinstance(each, x509.UniformResourceIdentifier) else repr(each) for each in told
    ]
