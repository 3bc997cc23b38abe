"""`python -m tf_estimator` is the command `tf-estimator`."""

import sys

from tf_estimator.cli import main

if __name__ == "__main__":
    sys.exit(main())
