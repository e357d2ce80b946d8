"""The index: uploaders leave sealed records, replicas build versions, the committee signs roots.

uploading.py  an uploader's side: evaluate, seal, look for own leaves
leaving.py    its records on their way to the replicas
deposits.py   what was left with this replica, and which of it belongs into a version
building.py   a replica's side: cut, build, sign, publish
serving.py    headers and buckets for readers, under the replica's signature
views.py      versions as people see them
service.py    reacting, and what other nodes may ask
"""

from node.services.index.service import IndexService
from node.services.index.views import VersionView

__all__ = ["IndexService", "VersionView"]
