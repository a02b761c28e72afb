"""Identities of gateways: the centre's own authority, enrolment by EST (RFC 7030), revocation."""
