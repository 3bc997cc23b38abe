"""The command `tf-estimator launch`.

python launching.py ARGUMENTS
"""

import sys

from tf_estimator.cli import main

if __name__ == "__main__":
    sys.exit(main(["launch", *sys.argv[1:]]))
