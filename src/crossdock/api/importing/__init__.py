"""Many events or orders from one file: read line by line, checked, kept, sent in like any other."""

from crossdock.api.importing.imports import Imports
from crossdock.api.importing.lines import Fault, Form, Reader, What

__all__ = ["Fault", "Form", "Imports", "Reader", "What"]
