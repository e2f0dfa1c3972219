"""How the services ask the directory: recipients and passwords, with brief caches.

Knows: the directory's gRPC, what may be remembered and when it must be forgotten.
Does not know: what a service does with the answer.
"""

from directoryclient.answers import Disposition, Identity, Resolution, Target, Throttled, Unavailable
from directoryclient.client import DirectoryClient

__all__ = ["DirectoryClient", "Disposition", "Identity", "Resolution", "Target", "Throttled", "Unavailable"]
