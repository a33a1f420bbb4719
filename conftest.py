"""Doctests of optional hosts are collected only where the host is installed."""

from importlib.util import find_spec

_HOSTS = {"torch": "torch", "sklearn": "sklearn", "onnx": "onnx"}
collect_ignore_glob = [
    f"src/opinionpool/integrations/{room}*" for room, host in _HOSTS.items() if not find_spec(host)
]
