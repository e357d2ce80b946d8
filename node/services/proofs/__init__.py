"""What can be shown to others: report bundles, record proofs, streams; and the own book's audit."""

from node.services.proofs.service import ProofService
from node.services.proofs.views import AuditResult, AuditRow

__all__ = ["AuditResult", "AuditRow", "ProofService"]
