"""Who is who and who reconciles what: members, motions, agreements, terms, keys."""

from node.services.network.service import NetworkService
from node.services.network.views import (
    AgreementView,
    KeyGrant,
    KeyView,
    MemberView,
    MotionView,
    SideView,
    TermsView,
)

__all__ = [
    "AgreementView",
    "KeyGrant",
    "KeyView",
    "MemberView",
    "MotionView",
    "NetworkService",
    "SideView",
    "TermsView",
]
