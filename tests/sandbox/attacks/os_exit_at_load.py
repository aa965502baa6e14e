"""Leave at once with success while being loaded."""

import os

os._exit(0)
