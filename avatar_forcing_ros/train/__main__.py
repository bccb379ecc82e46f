"""`python -m avatar_forcing_ros.train`: the same as `avatar-forcing train`."""

from __future__ import annotations

import argparse
import json

from avatar_forcing_ros.train.command import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="avatar_forcing_ros.train")
    add_arguments(parser)
    print(json.dumps(run(parser.parse_args())))
