"""Leave with success while being loaded."""

import sys

sys.exit(0)
