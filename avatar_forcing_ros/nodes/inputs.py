"""What comes in from outside and when; it stands in `stream`, where a replay finds it without ROS."""

from avatar_forcing_ros.stream.inputs import ArrivalTimes, InputWatch

__all__ = ["ArrivalTimes", "InputWatch"]
